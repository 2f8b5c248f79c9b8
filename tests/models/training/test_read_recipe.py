"""Recipes: the example, and what is said of wrong ones."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from n2uqc.models.registry import activation_names, weight_names
from n2uqc.models.training.data_formats import NpzData
from n2uqc.models.training.example import EXAMPLE
from n2uqc.models.training.read_recipe import read_recipe
from n2uqc.models.training.recipe import LayerBits, RecipeError


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The example as a dict, in a folder that holds its data."""
    monkeypatch.chdir(tmp_path)
    Path("digits.npz").touch()
    return tomllib.loads(EXAMPLE)


def test_the_example_is_a_recipe_from_any_folder(
    table: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("recipe.toml").write_text(EXAMPLE, encoding="utf-8")
    here = read_recipe("recipe.toml")
    assert here.data == NpzData(Path("digits.npz"))
    assert here.output == Path("out/digits")
    assert here.teacher is not None and here.teacher.share == 1
    assert here.settings() == read_recipe(table).settings()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    assert read_recipe("../recipe.toml").settings() == here.settings()
    assert read_recipe("../recipe.toml", Path("o")).output == tmp_path / "deeper" / "o"


def test_every_key_of_the_example_that_is_commented_out_exists(table: dict[str, Any]) -> None:
    """What comments state as defaults, or offer; lines with more space are alternatives."""
    Path("float.pt").touch()
    Path("teacher.onnx").touch()
    lines = []
    for line in EXAMPLE.splitlines():
        shown = line.removeprefix("# ")
        if (
            line.startswith("# ")
            and not line.startswith("#  ")
            and ("=" in shown.partition("#")[0] or shown.startswith("[q"))
        ):
            line = shown
        lines.append(line)
    text = "\n".join(lines)
    recipe = read_recipe(tomllib.loads(text))
    assert recipe.quantizers.layers == {"layer2.*": LayerBits(4, 4)}
    assert recipe.quantizers.real == ("conv1", "fc")
    assert recipe.tensorboard and recipe.augment.flip and recipe.augment.crop == (28, 28)
    defaults = read_recipe({key: table[key] for key in ("output", "data")})
    assert recipe.normalize.mean == defaults.normalize.mean
    assert recipe.schedule.optimizer == defaults.schedule.optimizer
    assert recipe.float_schedule.decay == defaults.float_schedule.decay
    assert recipe.teacher is not None and recipe.teacher.temperature == 1


def test_the_example_names_every_quantizer() -> None:
    for key, names in (("activation", activation_names()), ("weight", weight_names())):
        (line,) = (line for line in EXAMPLE.splitlines() if line.startswith(f'{key} = "n2uq"'))
        assert line.partition("# or ")[2].split(", ") == [name for name in names if name != "n2uq"]


WRONG: list[tuple[str, Any, str]] = [
    ("schedule.epoch", 3, "schedule.epoch: no such key; did you mean epochs?"),
    ("schedul", {}, "schedul: no such key; did you mean schedule?"),
    ("schedule", 3, "schedule: 3; it is a table, [schedule]"),
    ("schedule.epochs", "many", "schedule.epochs: 'many'; it is a whole number"),
    ("schedule.epochs", True, "schedule.epochs: True; it is a whole number"),
    ("schedule.epochs", 1.5, "schedule.epochs: 1.5; it is a whole number"),
    ("schedule.batch", 0, "schedule.batch: 0; it is at least 1"),
    ("schedule.rate", float("inf"), "schedule.rate: inf; it is a finite number"),
    ("schedule.rate", 0, "schedule.rate: 0.0; it is greater than 0"),
    ("schedule.decay", "cosin", "schedule.decay: 'cosin'; did you mean 'cosine'? there are linear"),
    ("split.validation", 1, "split.validation: 1.0; it is less than 1"),
    ("teacher.share", 1.5, "teacher.share: 1.5; it is at most 1"),
    ("quantizers.weight", "pact", "quantizers.weight: 'pact'; there are n2uq, lsq, lsq+, "),
    ("quantizers.activation", "lsk", "quantizers.activation: 'lsk'; did you mean 'lsq'?"),
    ("quantizers.bits", 9, "quantizers.bits.activation: 9; it is at most 8"),
    ("quantizers.layers", {"a": {"weights": 2}}, 'layers."a".weights: no such key; did you mean'),
    ("quantizers.real", "fc", "quantizers.real: 'fc'; it is a list"),
    ("data.path", "digit.npz", "data.path: there is no file or folder digit.npz"),
    ("data.path", 5, "data.path: 5; it is a path"),
    ("data.format", "npy", "data: format: 'npy'; did you mean 'npz'?"),
    ("data.label", "y", "data.label: no such key; did you mean labels?"),
    ("data", {"path": "x"}, "data: format is missing; there are npz, folder, idx, csv, dataset"),
    ("data", {"format": "idx"}, "data.images is missing: file of the samples"),
    ("augment.crop", [0, 3], "augment.crop: 0; it is at least 1"),
    ("normalize.std", [0.0], "normalize.std: 0.0; it is greater than 0"),
    ("schedule.rate", 10**400, "schedule.rate: 1000"),
    ("schedule.epochs", 10**5000, "schedule.epochs: a number of thousands of digits; it is a numb"),
    ("schedule.seed", 2**63, "schedule.seed: 9223372036854775808; it is a number below 2^63"),
    ("schedule.rate", 1e300, "schedule.rate: 1e+300; it is at most 3.4e+38, what float32 holds"),
    ("data.path", "~no one/x.npz", "data.path: '~no one/x.npz': Could not determine home"),
    ("data.path", "x" * 5000, "(5,002 characters): File name too long"),
    ("output", __file__, "test_read_recipe.py is a file; a folder is wanted"),
    ("folder", "x", "folder: no such key"),
    ("output", None, "output is missing: folder of the results"),
]


def test_a_number_that_python_does_not_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"output = {'9' * 5000}\n")
    with pytest.raises(RecipeError, match="recipe.toml: no TOML: Exceeds the limit"):
        read_recipe(path)


@pytest.mark.parametrize(("key", "value", "message"), WRONG, ids=[each[0] for each in WRONG])
def test_what_is_said_of_a_wrong_key(
    key: str, value: Any, message: str, table: dict[str, Any]
) -> None:
    table = copy.deepcopy(table)
    *path, last = key.split(".")
    place = table
    for name in path:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(RecipeError) as wrong:
        read_recipe(table)
    assert str(wrong.value).startswith("the recipe: ") and message in str(wrong.value)


def test_all_faults_at_once_and_the_file(table: dict[str, Any], tmp_path: Path) -> None:
    text = EXAMPLE.replace("epochs = 40", 'epochs = "40"').replace("shift", "shifted")
    Path("mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as wrong:
        read_recipe("mine.toml")
    lines = str(wrong.value).splitlines()
    assert len(lines) == 2 and all(line.startswith("mine.toml: ") for line in lines)
    for content, message in (
        (b"a = [", "mine.toml: no TOML"),
        (b"\xff\xfe", "mine.toml: not a text file"),
    ):
        Path("mine.toml").write_bytes(content)
        with pytest.raises(RecipeError, match=message):
            read_recipe("mine.toml")
    with pytest.raises(RecipeError, match=r"cannot read no\.toml: No such file"):
        read_recipe("no.toml")
