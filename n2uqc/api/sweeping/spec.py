"""What a sweep varies, table by table, read from a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any, Literal

from n2uqc.frontend.escape import plain
from n2uqc.models.training.read_recipe import TableReader, Wrong, read_toml, shown
from n2uqc.models.training.recipe import RecipeError
from n2uqc.passes.options import width_limits

from ..errors import UserError

IN_MEMORY = "the sweep"
"""How messages call a sweep that is no file."""
NAME = "name"
"""The key of a variant that says what it is called."""

Settings = dict[str, Any]
"""One value of each thing that is varied, as JSON values."""


def _width(name: str) -> tuple[int, ...] | None:
    """Return the field of widths, in the range of the option of that name."""
    least, most = width_limits(name)
    widths: tuple[int, ...] | None = field(default=None, metadata={"least": least, "most": most})
    return widths


@dataclass(frozen=True)
class WidthAxes:
    """Widths of what N2UQ leaves real-valued, as of ``n2uqc compile``.

    Attributes:
        precision: names; the widths below override them.
        residual_bits, stem_bits, head_bits, level_bits: as the options of these names.
        input_range: [least, greatest] input, of all; a trained network knows its own.
    """

    precision: tuple[Literal["exact", "balanced", "small"], ...] = ("exact",)
    residual_bits: tuple[int, ...] | None = _width("residual_bits")
    stem_bits: tuple[int, ...] | None = _width("stem_bits")
    head_bits: tuple[int, ...] | None = _width("head_bits")
    level_bits: tuple[int, ...] | None = _width("level_bits")
    input_range: tuple[float, ...] | None = None


@dataclass(frozen=True)
class AccuracyAxes:
    """What accuracy is measured with.

    Attributes:
        executor: what runs the integer program.
        data: an .npz file of labeled samples, for networks that are not trained here.
        images, labels: names of its arrays.
    """

    executor: tuple[str, ...] = ("interpreter",)
    data: Path | None = None
    images: str = "x"
    labels: str = "y"


@dataclass(frozen=True)
class HardwareAxes:
    """The datapaths that are costed, as by ``n2uqc cost``.

    Attributes:
        folding: files that ``compile --target fpga`` writes.
        target_cycles: busy cycles of the slowest engine.
        target_fps: images per second.
        device: FPGAs whose resources must suffice.
        technology: families whose cells are counted.
        clock: MHz.
        fill: percent of the device.
    """

    folding: tuple[Path, ...] | None = None
    target_cycles: tuple[int, ...] | None = field(default=None, metadata={"least": 1})
    target_fps: tuple[float, ...] | None = field(default=None, metadata={"above": 0})
    device: tuple[str, ...] | None = None
    technology: tuple[str, ...] | None = None
    clock: tuple[float, ...] = field(default=(100.0,), metadata={"above": 0})
    fill: tuple[float, ...] | None = field(default=None, metadata={"above": 0, "most": 100})


@dataclass(frozen=True)
class ProcessorAxes:
    """Processors that instructions of an image are counted for.

    Attributes:
        target: processors of ``n2uqc compile``.
    """

    target: tuple[str, ...]


@dataclass(frozen=True)
class SweepSpec:
    """A whole sweep. What tables are there is done at each network.

    Attributes:
        output: folder of the store.
        models: networks that are there, instead of a recipe.
        threads: of a training; another number rounds sums otherwise.
        variants: partial recipes, one of which each training takes; with a name each.
        training: keys of the recipe with lists of their values.
        program: widths of the integer program.
        accuracy, cost, processor: what is measured, and how.
    """

    output: Path
    models: tuple[Path, ...] | None = None
    threads: int = field(default=1, metadata={"least": 1})
    variants: tuple[Mapping[str, Any], ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    program: WidthAxes = WidthAxes()
    accuracy: AccuracyAxes | None = None
    cost: HardwareAxes | None = None
    processor: ProcessorAxes | None = None


@dataclass(frozen=True)
class Given:
    """A sweep as it is given.

    Attributes:
        file, folder: how messages call it; what its paths are relative to.
        spec: its tables.
        recipe: what the recipe's file holds, or None.
        recipe_file, recipe_folder: how messages call it; what its paths are relative to.
    """

    file: str
    folder: Path
    spec: SweepSpec
    recipe: Mapping[str, Any] | None
    recipe_file: str
    recipe_folder: Path

    def error(self, key: str, text: str) -> UserError:
        """Return the error of a key."""
        return UserError(f"{self.file}: {key}: {text}")


def read_spec(source: Path | str | Mapping[str, Any], output: Path | None = None) -> Given:
    """Read a sweep.

    Args:
        source: a TOML file, whose folder its paths are relative to, or what such a file holds.
        output: folder of the store, instead of the sweep's.

    Raises:
        UserError: it cannot be read, or a key is wrong; names file and key.
    """
    try:
        if isinstance(source, Mapping):
            return _given(dict(source), IN_MEMORY, Path().absolute(), output)
        path = Path(source)
        return _given(read_toml(path), plain(path), path.absolute().parent, output)
    except RecipeError as error:
        raise UserError(str(error)) from error


def _given(table: Settings, file: str, folder: Path, output: Path | None) -> Given:
    if output is not None:
        table["output"] = str(output.absolute())
    recipe, recipe_file, recipe_folder = table.pop("recipe", None), file, folder
    reader = TableReader(file, folder)
    if isinstance(recipe, str):
        try:
            path = reader.path(recipe, "recipe")
        except Wrong as wrong:
            raise UserError(f"{file}: recipe: {wrong}") from None
        recipe_file, recipe_folder = f"{plain(recipe)} of {file}", path.parent
        recipe = read_toml(path)
    spec = reader.table(SweepSpec, table, "")
    if recipe is not None and not isinstance(recipe, Mapping):
        reader.faults.append(f"recipe: {shown(recipe)}; it is a file, or a table")
    if reader.faults or not isinstance(spec, SweepSpec):
        raise UserError(reader.message())
    given = Given(file, folder, spec, recipe, recipe_file, recipe_folder)
    _check(given)
    return given


def _check(given: Given) -> None:
    """Refuse what cannot be asked, before anything is computed."""
    from n2uqc.backends import find_target
    from n2uqc.backends.cpu.profile import require_counted
    from n2uqc.backends.search import find_device

    spec = given.spec
    if (given.recipe is None) == (spec.models is None):
        raise given.error("recipe", "either recipe or models is given")
    if spec.models is not None:
        if spec.training or spec.variants:
            raise given.error("training", "models are not trained; name a recipe instead")
        if not (spec.accuracy or spec.cost or spec.processor):
            raise given.error("models", "what of them? there are accuracy, cost, processor")
        if spec.accuracy and spec.accuracy.data is None:
            raise given.error("accuracy.data", "it is missing: an .npz file of labeled samples")
    elif spec.accuracy and spec.accuracy.data is not None:
        raise given.error("accuracy.data", "the recipe has the samples of accuracy")
    if (ends := spec.program.input_range) is not None and len(ends) != 2:
        raise given.error("program.input_range", "it is [least, greatest]")
    for name in spec.accuracy.executor if spec.accuracy else ():
        find_target(name)
    for name in spec.processor.target if spec.processor else ():
        require_counted(find_target(name))
    for name in (spec.cost.device or ()) if spec.cost else ():
        find_device(name)


def crossed(axes: object, *left_out: str) -> list[Settings]:
    """Return every choice of one value from each field of some axes that is given."""
    listed = {
        each.name: value
        for each in fields(axes)  # type: ignore[arg-type]
        if each.name not in left_out and (value := getattr(axes, each.name)) is not None
    }
    return [dict(zip(listed, choice, strict=True)) for choice in product(*listed.values())]


def trainings(given: Given) -> list[tuple[Settings, Settings]]:
    """Return the settings of each training, and the content of its recipe.

    Raises:
        UserError: a value of ``training`` is no list.
    """
    axes = list(_axes(given, given.spec.training, ()))
    found = []
    for label, base in _variants(given):
        for choice in product(*(values for _, values in axes)):
            content = base
            for (path, _), value in zip(axes, choice, strict=True):
                for key in reversed(path):
                    value = {key: value}
                content = merged(content, value)
            names = (".".join(path) for path, _ in axes)
            found.append(({**label, **dict(zip(names, choice, strict=True))}, content))
    return found


def _variants(given: Given) -> list[tuple[Settings, Settings]]:
    recipe = dict(given.recipe or {})
    if given.spec.variants is None:
        return [({}, recipe)]
    found = []
    for number, each in enumerate(given.spec.variants, 1):
        changes = {key: value for key, value in each.items() if key != NAME}
        label = str(each.get(NAME, f"variant {number}"))
        found.append(({"variant": label}, merged(recipe, changes)))
    return found


def _axes(
    given: Given, table: Mapping[str, Any], path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], list[Any]]]:
    found = []
    for key, value in table.items():
        where = (*path, *key.split(".")) if not path else (*path, key)
        if isinstance(value, Mapping):
            found += _axes(given, value, where)
        elif isinstance(value, list | tuple) and value:
            found.append((where, list(value)))
        else:
            name = ".".join(("training", *where))
            raise given.error(plain(name), f"{shown(value)}; it is a list of values")
    return found


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Settings:
    """Return a table with changes, which may be deep inside."""
    found = dict(base)
    for key, value in changes.items():
        old = found.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return found
