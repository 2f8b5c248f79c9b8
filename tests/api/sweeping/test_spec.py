"""What a sweep's file may say, and what it makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch")

import n2uqc
from n2uqc.api.sweeping import plan_sweep, read_spec
from n2uqc.api.sweeping.spec import merged
from n2uqc.commands.sweep import EXAMPLE
from n2uqc.models import shipped
from n2uqc.models.training.example import EXAMPLE as RECIPE
from tests.models.training import small as networks

from . import small


def test_the_example_is_a_sweep_of_the_example_of_a_recipe(tmp_path: Path) -> None:
    import numpy as np

    images = np.zeros((40, 1, 8, 8), np.uint8)
    np.savez(tmp_path / "digits.npz", images=images, labels=np.arange(40) % 10)
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "sweep.toml").write_text(EXAMPLE, encoding="utf-8")
    plan = plan_sweep(read_spec(tmp_path / "sweep.toml"))
    assert len(plan.rows) == 2 * 2 * 3 * 2  # variants, bits, seeds, clocks
    kinds = [point.kind for point in plan.points.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"train": 12, "accuracy": 12, "cost": 24}
    first = plan.rows[0].settings
    assert first == {"variant": "N2UQ", "quantizers.bits": 2, "schedule.seed": 0, "clock": 100.0}
    trained = [point.recipe for point in plan.points.values() if point.kind == "train"]
    assert {
        (r.quantizers.activation, r.schedule.threshold_rate, r.quantizers.bits.weight)
        for r in trained
        if r is not None
    } == {("n2uq", 0.1, 2), ("n2uq", 0.1, 3), ("lsq", 1.0, 2), ("lsq", 1.0, 3)}


def test_what_two_rows_share_is_one_point(tmp_path: Path) -> None:
    variants = [{"name": "as it is"}, {"name": "said", "quantizers": {"activation": "n2uq"}}]
    plan = plan_sweep(read_spec(small.spec(tmp_path, variants=variants)))
    assert (len(plan.rows), len(plan.points)) == (4, 2)


def test_data_and_imported_code_are_part_of_a_point(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from tests.models.training.small import mlp\n")
    spec = small.spec(tmp_path)
    spec["recipe"]["network"] = {"factory": "mine:mlp"}
    (tmp_path / "sweep.toml").write_text(_toml(spec), encoding="utf-8")

    def keys() -> set[str]:
        from n2uqc.api.sweeping import identity

        identity.hash_of_path.cache_clear()
        return {*plan_sweep(read_spec(tmp_path / "sweep.toml")).points}

    first = keys()
    assert keys() == first
    (tmp_path / "mine.py").write_text("from tests.models.training.small import mlp  # other\n")
    second = keys()
    import numpy as np

    np.savez(tmp_path / "mlp.npz", **networks.samples((6,), seed=1))
    assert not first & second and not second & keys()


def test_where_data_lies_does_not_matter(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    keys = {*plan_sweep(read_spec(small.spec(tmp_path / "a"))).points}
    (tmp_path / "a/mlp.npz").rename(tmp_path / "b/mlp.npz")
    assert {*plan_sweep(read_spec(small.spec(tmp_path / "b"))).points} == keys


def _toml(value: Any) -> str:
    """Return a value as TOML, a table as an inline one but for the first."""
    import json

    def inline(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + "}"
        return json.dumps(value)

    return "".join(f"{key} = {inline(each)}\n" for key, each in value.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainig": {}}, "the sweep: trainig: no such key; did you mean training?"),
        ({"recipe": 3}, "the sweep: recipe: 3; it is a file, or a table"),
        ({"recipe": "no.toml"}, "the sweep: recipe: there is no file or folder "),
        ({"recipe": "~no one/r.toml"}, "the sweep: recipe: '~no one/r.toml': Could not determine"),
        ({"recipe": "a\0b"}, "the sweep: recipe: 'a\\x00b'; it is a path"),
        ({"cost": {"clock": [10**400]}}, "cost.clock: 1000"),
        ({"processor": {"target": ["host"]}}, "instructions of the target host are not counted"),
        ({"processor": {"target": ["fpga"]}}, "instructions of the target fpga are not counted"),
        ({"processor": {"target": ["aarch64+auto"]}}, "of the target aarch64+auto are not counted"),
        ({"training": {"schedule": {"seed": 3}}}, "training.schedule.seed: 3; it is a list of val"),
        ({"training": {"schedule.seeds": [1]}}, "schedule.seeds: no such key; did you mean seed?"),
        ({"training": {"quantizers.bits": [2, 9]}}, "quantizers.bits.weight: 9; it is at most 8"),
        ({"accuracy": {"executor": ["hots"]}}, "did you mean host?"),
        ({"accuracy": {"data": "."}}, "accuracy.data: the recipe has the samples of accuracy"),
        ({"cost": {"device": ["xc7z02"]}}, "there is no device 'xc7z02'"),
        ({"cost": {"clock": [0]}}, "cost.clock: 0.0; it is greater than 0"),
        ({"models": ["."]}, "recipe: either recipe or models is given"),
        ({"program": {"stem_bits": [-4]}}, "program.stem_bits: -4; it is at least 8"),
        ({"program": {"level_bits": [99]}}, "program.level_bits: 99; it is at most 26"),
        ({"program": {"input_range": [1]}}, "program.input_range: it is [least, greatest]"),
        ({"threads": 0}, "threads: 0; it is at least 1"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises((n2uqc.UserError, n2uqc.CompileError)) as caught:
        n2uqc.sweep(small.spec(tmp_path, **changes))
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_models_are_measured_and_not_trained(tmp_path: Path) -> None:
    spec: dict[str, Any] = {"output": "out", "models": [str(shipped.path("digits_2bit"))]}
    for changes, message in (
        ({}, "models: what of them? there are accuracy, cost, processor"),
        ({"accuracy": {}}, "accuracy.data: it is missing"),
        ({"cost": {}, "training": {"schedule.seed": [0]}}, "training: models are not trained"),
    ):
        with pytest.raises(n2uqc.UserError, match=message.replace("?", r"\?")):
            n2uqc.sweep({**spec, **changes}, tmp_path / "out")


def test_changes_reach_into_tables() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(base, {"a": {"c": {"e": 4}}}) == {"a": {"b": 1, "c": {"e": 4}}, "d": 3}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
