"""The points of a sweep, and the rows of its table that they make."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import plain
from n2uqc.models.training.read_recipe import recipe_of
from n2uqc.models.training.recipe import Recipe, RecipeError

from ..errors import UserError
from .identity import code_version, hash_of_path, key_of, module_hashes, recipe_identity
from .spec import Given, Settings, crossed, trainings

TRAIN, ACCURACY, COST, PROCESSOR = "train", "accuracy", "cost", "processor"
"""Kinds of points."""
WORK = "work"
"""Folder of trainings that are not done, beside the store."""


@dataclass(frozen=True)
class SweepPoint:
    """Something that is computed once.

    Attributes:
        kind: what.
        identity: all that decides its result, as JSON values.
        settings: what is computed with, by the kind's names.
        recipe: of a training, and of the samples that accuracy is measured on.
        model: the network's file, where it is not trained here.
        source: key of the training whose network it takes; None without one.
        folder: where a training keeps its checkpoint.
    """

    kind: str
    identity: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    model: Path | None = None
    source: str | None = None
    folder: Path | None = None

    @property
    def key(self) -> str:
        """The hash of its identity."""
        return key_of(self.identity)


@dataclass(frozen=True)
class SweepRow:
    """One choice of everything that is varied.

    Attributes:
        settings: by name.
        points: keys, by kind.
    """

    settings: Settings
    points: Mapping[str, str]


@dataclass(frozen=True)
class SweepPlan:
    """A sweep ready to be run.

    Attributes:
        output: folder of the store.
        points: by key; a training stands before what takes its network.
        rows: of the table.
    """

    output: Path
    points: Mapping[str, SweepPoint]
    rows: tuple[SweepRow, ...]


def plan_sweep(given: Given, device: str = "cpu") -> SweepPlan:
    """Return the points of a sweep.

    Args:
        given: the sweep.
        device: what trainings run on.

    Raises:
        UserError: a recipe is wrong, or a file cannot be read.
    """
    planner = _Planner(given, device)
    networks = list(planner.trained() if given.recipe is not None else planner.existing())
    rows = [row for network in networks for row in planner.rows(network)]
    return SweepPlan(given.spec.output.absolute(), planner.points, tuple(rows))


@dataclass(frozen=True)
class _Network:
    """A network that is trained or there: its settings, and what its points have in common."""

    settings: Settings
    hash: str
    recipe: Recipe | None = None
    model: Path | None = None
    source: str | None = None


class _Planner:
    def __init__(self, given: Given, device: str) -> None:
        self.given, self.spec, self.device = given, given.spec, device
        self.code = code_version()
        self.points: dict[str, SweepPoint] = {}

    def trained(self) -> Iterator[_Network]:
        """Yield the networks that are trained."""
        wrong: dict[str, None] = {}
        for settings, content in trainings(self.given):
            try:
                recipe = recipe_of(
                    content, self.given.recipe_file, self.given.recipe_folder, self.spec.output
                )
            except RecipeError as error:
                wrong |= dict.fromkeys(str(error).splitlines())
                continue
            identity = {
                "recipe": recipe_identity(recipe),
                "modules": module_hashes(recipe),
                "device": self.device,
                "threads": self.spec.threads,
            }
            chosen = {"device": self.device, "threads": self.spec.threads}
            point = self._point(TRAIN, identity, settings=chosen, recipe=recipe)
            yield _Network(settings, point.key, recipe=recipe, source=point.key)
        if wrong:
            raise UserError("\n".join(wrong))

    def existing(self) -> Iterator[_Network]:
        """Yield the networks that are there."""
        models = self.spec.models or ()
        names = [plain(path.name) for path in models]
        for path, name in zip(models, names, strict=True):
            shown = name if names.count(name) == 1 else plain(path)
            yield _Network({"model": shown}, hash_of_path(path.resolve()), model=path.absolute())

    def rows(self, network: _Network) -> Iterator[SweepRow]:
        """Yield the rows of a network."""
        trained = {TRAIN: network.source} if network.source else {}
        spec, shown = self.spec, _varied(self.spec.program)
        for widths in crossed(spec.program, "input_range"):
            choices: list[tuple[Settings, dict[str, str]]] = [({}, trained)]
            if spec.accuracy:
                choices = self._with(choices, network, widths, ACCURACY, spec.accuracy)
            if spec.cost:
                choices = self._with(choices, network, widths, COST, spec.cost)
            if spec.processor:
                choices = self._with(choices, network, widths, PROCESSOR, spec.processor)
            told = {name: value for name, value in widths.items() if name in shown}
            for settings, points in choices:
                yield SweepRow({**network.settings, **told, **settings}, points)

    def _with(
        self,
        choices: list[tuple[Settings, dict[str, str]]],
        network: _Network,
        widths: Settings,
        kind: str,
        axes: Any,
    ) -> list[tuple[Settings, dict[str, str]]]:
        shown, fixed = _varied(axes), self._fixed(kind)
        added = []
        for chosen in crossed(axes, *fixed):
            told = {name: _text(value) for name, value in chosen.items() if name in shown}
            made = self._measurement(network, widths, kind, {**chosen, **fixed})
            added.append((told, {kind: made.key}))
        return [({**a, **c}, {**b, **d}) for a, b in choices for c, d in added]

    def _fixed(self, kind: str) -> Settings:
        """Return what all points of a kind have, which is not varied."""
        axes = self.spec.accuracy
        if kind != ACCURACY or axes is None:
            return {}
        return {"data": axes.data, "images": axes.images, "labels": axes.labels}

    def _measurement(
        self, network: _Network, widths: Settings, kind: str, chosen: Settings
    ) -> SweepPoint:
        ends = self.spec.program.input_range
        program = {**widths, **({} if ends is None else {"input_range": list(ends)})}
        identity: Settings = {"network": network.hash, "program": program}
        identity |= {name: _hashed(value) for name, value in chosen.items() if value is not None}
        settings = {**chosen, "program": program}
        return self._point(
            kind, identity, settings=settings, recipe=network.recipe, model=network.model,
            source=network.source,
        )  # fmt: skip

    def _point(self, kind: str, identity: Settings, **details: Any) -> SweepPoint:
        told = json.loads(json.dumps({"kind": kind, **identity, "code": self.code}))
        point = SweepPoint(kind, told, **details)
        if kind == TRAIN:
            folder = self.spec.output.absolute() / WORK / point.key[:20]
            point = SweepPoint(kind, told, **details, folder=folder)
        return self.points.setdefault(point.key, point)


def _varied(axes: Any) -> set[str]:
    """Return the names of several values, which rows state."""
    values = {each.name: getattr(axes, each.name) for each in fields(axes)}
    return {k for k, value in values.items() if isinstance(value, tuple) and len(value) > 1}


def _text(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value


def _hashed(value: Any) -> Any:
    return hash_of_path(value.resolve()) if isinstance(value, Path) else value
