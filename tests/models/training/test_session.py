"""Whole trainings: killed and resumed, what is learned, what is refused before it begins."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("onnxruntime", reason="an exported network is run")

from n2uqc.models.export import export_onnx  # noqa: E402
from n2uqc.models.training.metrics import EpochRecord  # noqa: E402
from n2uqc.models.training.read_recipe import read_recipe  # noqa: E402
from n2uqc.models.training.recipe import RecipeError  # noqa: E402
from n2uqc.models.training.session import Listener, Training, train  # noqa: E402

from . import small  # noqa: E402

CPU = torch.device("cpu")
FILES = ("network.onnx", "network.pt", "float.pt", "metrics.jsonl")


class Stopped(Exception):
    pass


class Stopping(Listener):
    """A listener that ends the training after so many epochs."""

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, 0

    def epoch(self, records: Sequence[EpochRecord]) -> None:
        self.seen += 1
        if self.seen == self.after:
            raise Stopped


def trained(table: dict[str, Any], folder: Path, resume: bool = False) -> Training:
    return train(read_recipe(table, folder), CPU, resume)


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_killed_training_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data, a Dataset by import path, draws from torch and numpy; the network has a Dropout."""
    table = small.recipe(
        tmp_path,
        data={"format": "dataset", "dataset": f"{small.PLACE}:Drawn"},
        augment={"noise": 0.1},
        schedule={"epochs": 3, "batch": 16, "rate": 0.01, "weight_decay": 1e-3},
    )
    whole = trained(table, tmp_path / "whole")
    reads = 60 * 7  # 48 are trained on and 12 evaluated in each of 5 epochs; ranges, first samples
    script = (
        "import json, sys, pathlib, torch; torch.set_num_threads(1)\n"
        "from n2uqc.models.training.read_recipe import read_recipe\n"
        "from n2uqc.models.training.session import train\n"
        "table = json.loads(sys.argv[1])\n"
        "train(read_recipe(table, pathlib.Path(sys.argv[2])), torch.device('cpu'), False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(table), str(tmp_path / "killed")],
        env={**os.environ, "KILLED_AT": str(reads - 120)},
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    left = sorted(path.name for path in (tmp_path / "killed").iterdir())
    assert left == ["checkpoint.pt", "metrics.jsonl"]
    before = (tmp_path / "killed/metrics.jsonl").read_text().splitlines()
    assert 2 < len(before) < 5  # in the second phase, in the middle of an epoch
    again = trained(table, tmp_path / "killed", resume=True)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
    assert again.records == whole.records and len(again.records) == 5


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_stopped_after_each_epoch(after: int, tmp_path: Path) -> None:
    """The end of a phase is no special place; SGD has a state, LSQ a first batch."""
    table = small.recipe(
        tmp_path,
        quantizers={"activation": "lsq", "weight": "lsq"},
        schedule={"epochs": 2, "batch": 16, "rate": 0.01, "optimizer": "sgd", "decay": "cosine"},
        augment={"noise": 0.1},
    )
    with pytest.raises(Stopped):
        train(read_recipe(table, tmp_path / "stopped"), CPU, False, Stopping(after))
    trained(table, tmp_path / "stopped", resume=True)
    trained(table, tmp_path / "whole", resume=True)  # without a checkpoint: from the beginning
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")


def test_generators_and_modes_are_left_as_they_were(tmp_path: Path) -> None:
    before = torch.get_rng_state(), np.random.get_state(legacy=True)[1]
    torch.use_deterministic_algorithms(False)  # as other tests may have left it
    trained(small.recipe(tmp_path), tmp_path / "out")
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state(legacy=True)[1], before[1])
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("network", ["mlp", "sequence", "image"])
def test_it_learns(network: str, tmp_path: Path) -> None:
    """Features, series and images of any number of channels; the teacher alone, without labels."""
    table = small.recipe(
        tmp_path,
        network,
        float_schedule={"epochs": 12, "rate": 0.02},
        schedule={"epochs": 12, "batch": 8, "rate": 0.01},
        test={"format": "npz", "path": str(tmp_path / "test.npz")},
        augment={} if network == "mlp" else {"shift": 1},
    )
    shape = {"mlp": (6,), "sequence": (2, 12), "image": (2, 6, 6)}[network]
    np.savez(tmp_path / "test.npz", **small.samples(shape, 90, seed=1))
    found = trained(table, tmp_path / "out")
    assert found.data.final_name == "test"
    assert found.float_right > 70 and found.low_bit_right > 60
    rates = [record.rate for record in found.records if record.phase == "low-bit"]
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.1 * rates[0]


def test_thresholds_have_a_tenth_of_the_rate(tmp_path: Path) -> None:
    from n2uqc.models.training.low_bit import activation_parameters, low_bit_twin
    from n2uqc.models.training.optimize import make_optimizer

    recipe = read_recipe(small.recipe(tmp_path, schedule={"weight_decay": 0.1}))
    twin = low_bit_twin(recipe, small.mlp(), torch.randn(20, 6))
    optimizer = make_optimizer(twin, recipe.schedule, 0.5)
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decay = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    learned = {id(p) for p in activation_parameters(twin) if p.requires_grad}
    assert len(learned) == 4
    for parameter in twin.parameters():
        if parameter.requires_grad:
            assert rate[id(parameter)] == pytest.approx(0.05 if id(parameter) in learned else 0.5)
            assert decay[id(parameter)] == (0.1 if parameter.ndim == 2 else 0)


def test_a_teacher_is_copied_without_labels(tmp_path: Path) -> None:
    """Labels that are wrong do no harm where the teacher's outputs are learned alone."""
    torch.manual_seed(0)
    right = trained(
        small.recipe(tmp_path, float_schedule={"epochs": 12, "rate": 0.02}), tmp_path / "right"
    )
    arrays = small.samples((6,))
    arrays["labels"] = (arrays["labels"] + 1) % 3
    np.savez(tmp_path / "mlp.npz", **arrays)
    teacher = small.mlp()
    teacher.load_state_dict(torch.load(tmp_path / "right/float.pt", weights_only=True))
    export_onnx(teacher, tmp_path / "teacher.onnx", torch.zeros(1, 6))
    shares = {}
    for name, table in {
        "onnx": {"file": str(tmp_path / "teacher.onnx")},
        "pt": {"network": f"{small.PLACE}:mlp", "file": str(tmp_path / "right/float.pt")},
    }.items():
        found = trained(
            small.recipe(
                tmp_path,
                float_schedule={"epochs": 0},
                network={
                    "factory": f"{small.PLACE}:mlp",
                    "weights": str(tmp_path / "right/float.pt"),
                },
                schedule={"epochs": 6, "batch": 16, "rate": 0.01},
                teacher=table,
            ),
            tmp_path / name,
        )
        shares[name] = found.low_bit_right
        assert found.low_bit_right <= 3  # of 12, by labels that the teacher contradicts
    assert shares["onnx"] == shares["pt"] and right.float_right > 6


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"network": {}}, "network: either name or factory is given"),
    ({"network": {"name": "resnet19"}}, "network.name: 'resnet19'; there are residual, resnet18"),
    ({"network": {"name": "residual"}}, "network.name: residual takes images, the samples have"),
    ({"network": {"factory": "small"}}, "network.factory: 'small'; an import path is"),
    ({"network": {"factory": "no_such:x"}}, "importing no_such fails: ModuleNotFoundError"),
    ({"network": {"factory": f"{small.PLACE}:none"}}, f"{small.PLACE} has no none"),
    ({"network": {"factory": f"{small.PLACE}:number"}}, "gives a int, not a torch Module"),
    (
        {"network": {"factory": f"{small.PLACE}:mlp", "arguments": {"feature": 3}}},
        "calling it fails: TypeError",
    ),
    (
        {"network": {"factory": f"{small.PLACE}:mlp", "arguments": {"features": 7}}},
        r"it fails on samples of shape \[6\]",
    ),
    (
        {"network": {"factory": f"{small.PLACE}:mlp", "arguments": {"classes": 2}}},
        "it gives 2 scores; labels reach to 2",
    ),
    ({"teacher": {"network": f"{small.PLACE}:sequence"}}, "teacher: it fails on samples"),
    ({"teacher": {"file": "a.pt"}}, "teacher.network: a state dict needs the import path"),
    ({"teacher": {"file": "a.onnx"}}, "teacher.file: .*a.onnx cannot be run"),
    (
        {"network": {"factory": f"{small.PLACE}:mlp", "weights": "a.pt"}},
        "network.weights: .*a.pt is no fitting state dict",
    ),
    ({"augment": {"shift": 1}}, "augment: samples of 6 features have no axis to move along"),
    (
        {"quantizers": {"bits": 8}},
        "N2UQ.s weights of 8 bits would be float numbers to the compiler",
    ),
    ({"normalize": {"mean": [0.0], "std": [1e-320]}}, r"normalize: samples are not finite after"),
    ({"schedule": {"rate": 1e30, "epochs": 3}}, r"schedule.rate: the loss is (nan|inf) in epoch"),
]


@pytest.mark.parametrize(("tables", "message"), REFUSED, ids=[each[1][:40] for each in REFUSED])
def test_refused(
    tables: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.pt", "a.onnx"):
        Path(name).write_bytes(b"nothing")
    with pytest.raises(RecipeError, match=message):
        trained(small.recipe(tmp_path, **tables), tmp_path / "out")
    assert not (tmp_path / "out/network.onnx").exists()


def test_a_folder_that_holds_a_training(tmp_path: Path) -> None:
    table = small.recipe(tmp_path, float_schedule={"epochs": 1}, schedule={"epochs": 1})
    trained(table, tmp_path / "out")
    with pytest.raises(RecipeError, match="holds a training; --resume continues it"):
        trained(table, tmp_path / "out")
    other = table | {"schedule": {"epochs": 2}}
    with pytest.raises(RecipeError, match=r"schedule\.epochs: differs from the recipe that"):
        trained(other, tmp_path / "out", resume=True)
    written = (tmp_path / "out/checkpoint.pt").read_bytes()
    for damaged in (b"", written[: len(written) // 2]):
        (tmp_path / "out/checkpoint.pt").write_bytes(damaged)
        with pytest.raises(RecipeError, match="is no checkpoint"):
            trained(table, tmp_path / "out", resume=True)


def test_a_checkpoint_with_wrong_parts(tmp_path: Path) -> None:
    """Whatever part is missing, of another type or of another training: one message."""
    table = small.recipe(tmp_path, float_schedule={"epochs": 1}, schedule={"epochs": 1})
    trained(table, tmp_path / "out")
    path = tmp_path / "out/checkpoint.pt"
    whole = torch.load(path, weights_only=True)
    wrong: list[dict[str, Any]] = [
        {key: value for key, value in whole.items() if key != part} for part in whole
    ]
    wrong += [{**whole, part: [1]} for part in whole if part != "recipe"]
    wrong += [{**whole, "recipe": "[1]"}, {**whole, "phase": "float"}]
    wrong += [{**whole, "trainer": {**whole["trainer"], "done": done}} for done in (10**9, -1, "1")]
    for content in wrong:
        torch.save(content, path)
        with pytest.raises(RecipeError, match=r"is no checkpoint|is damaged"):
            trained(table, tmp_path / "out", resume=True)


def test_the_curve(tmp_path: Path) -> None:
    trained(small.recipe(tmp_path), tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        ("float", 1), ("float", 2), ("low-bit", 1), ("low-bit", 2),
    ]  # fmt: skip
    assert all(re.fullmatch(r"[a-z_]+", key) for line in lines for key in line)
    assert all(0 <= line["validation_accuracy"] <= 1 for line in lines)


@pytest.mark.parametrize("fixed", [False, True])
def test_statistics_are_fixed_where_asked_for(fixed: bool, tmp_path: Path) -> None:
    """A conversion keeps those that calibration gave; a training learns them."""
    from n2uqc.models.training.datasets import open_data
    from n2uqc.models.training.loop import Trainer
    from n2uqc.models.training.teacher import label_loss

    recipe = read_recipe(small.recipe(tmp_path, "image"))
    network = small.image()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Trainer(
        recipe, open_data(recipe), network, label_loss, "float", 1, 0.01, "constant", CPU,
        fixed=fixed,
    ).epoch()  # fmt: skip
    for name, value in network.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved == (not fixed if "running" in name or "tracked" in name else True), name
