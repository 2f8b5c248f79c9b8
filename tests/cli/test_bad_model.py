"""A model that cannot be compiled: one clear error, exit status 2, nothing written."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

import n2uqc
from n2uqc.frontend.diagnostics import CompileError

from ..frontend.networks import build
from .broken import BROKEN
from .conftest import Command

COMMANDS = {
    "inspect": ("inspect", "MODEL"),
    "compile": ("compile", "MODEL", "--target", "aarch64", "-o", "OUT"),
    "save": ("compile", "MODEL", "--target", "program", "-o", "OUT"),
    "simulate": ("simulate", "MODEL", "--input", "X", "--output", "OUT"),
    "verify": ("verify", "MODEL", "--output", "OUT"),
    "cost": ("cost", "MODEL", "--html", "OUT"),
}


def _arguments(name: str, model: Path, samples: Path, output: Path) -> list[object]:
    places = {"MODEL": model, "X": samples, "OUT": output}
    return [places.get(word, word) for word in COMMANDS[name]]


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_broken_model(
    name: str, fault: str, command: Command, model: Path, samples: Path, tmp_path: Path
) -> None:
    make, mention = BROKEN[fault]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(make(model.read_bytes()))
    before = sorted(tmp_path.iterdir())
    result = command(*_arguments(name, broken, samples, tmp_path / "out"))
    assert result.status == 2, result.err
    assert result.err.startswith("n2uqc: error: ")
    assert result.err.count("error:") == 1
    assert mention in result.err
    assert "Traceback" not in result.err
    assert not result.out
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_model(name: str, command: Command, samples: Path, tmp_path: Path) -> None:
    result = command(*_arguments(name, tmp_path / "none.onnx", samples, tmp_path / "out"))
    assert result.status == 2
    assert "none.onnx" in result.err
    assert not (tmp_path / "out").exists()


def test_every_fault_is_listed_in_one_error(command: Command, model: Path, tmp_path: Path) -> None:
    import onnx

    proto = onnx.load(model)
    unsupported = {"Relu": "Tan", "GlobalAveragePool": "GlobalLpPool"}
    for node in proto.graph.node:
        node.op_type = unsupported.get(node.op_type, node.op_type)
    onnx.save(proto, tmp_path / "two.onnx")
    result = command("inspect", tmp_path / "two.onnx")
    assert result.status == 2
    assert all(operator in result.err for operator in unsupported.values())
    assert result.err.startswith("n2uqc: error: 2 problems:")


def test_a_damaged_program(command: Command, program_file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.n2uq"
    content = program_file.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    result = command("inspect", damaged)
    assert result.status == 2
    assert "damaged.n2uq" in result.err


def test_precision_options_do_not_apply_to_a_program(
    command: Command, program_file: Path, samples: Path
) -> None:
    result = command("simulate", program_file, "--input", samples, "--stem-bits", 16)
    assert result.status == 2
    assert "--stem-bits" in result.err


@pytest.mark.parametrize(
    ("member", "mention"),
    [
        ("net/data.pkl", "import-checkpoint"),
        ("net.onnx", "unpack it"),
    ],
)
def test_other_archives(member: str, mention: str, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"anything")
    result = command("inspect", path)
    assert result.status == 2
    assert mention in result.err and "net.pth" in result.err


def test_a_pipe_is_refused_without_waiting(command: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = command("compile", tmp_path / "pipe", "-t", "program", "-o", tmp_path / "out")
    assert result.status == 2
    assert "it is no ordinary file" in result.err


def test_a_float_network_compiles_with_a_warning(command: Command, tmp_path: Path) -> None:
    from n2uqc.models import shipped

    result = command(
        "compile", shipped.path("digits_float"), "-t", "program", "-o", tmp_path / "float.n2uq"
    )
    assert result.status == 0, result.err
    assert "warning" in result.err and "no activation quantizer was recognized" in result.err


@pytest.mark.parametrize("op", ["HardSwish", "Elu", "Sigmoid", "Relu"])
def test_every_function_of_a_float_network_warns_alike(op: str) -> None:
    with pytest.warns(UserWarning, match="no activation quantizer was recognized"):
        n2uqc.load(build(f"y = {op} (x)").SerializeToString())


@pytest.mark.filterwarnings("ignore:.*no activation quantizer")
@pytest.mark.parametrize("node", ["ThresholdedRelu <alpha=0.5>", "Shrink <lambd=0.5, bias=0.2>"])
def test_a_function_that_jumps_is_refused_as_that(node: str) -> None:
    with pytest.raises(CompileError, match=r"a function that jumps \(as ThresholdedRelu"):
        n2uqc.load(build(f"y = {node} (x)").SerializeToString())


@pytest.mark.filterwarnings("ignore:.*no activation quantizer")
def test_a_power_beyond_every_number_is_refused_as_that() -> None:
    squares = " ".join(f"a{k} = Mul (a{k - 1}, a{k - 1})" for k in range(1, 12))
    with pytest.raises(CompileError, match=r"or may pass 1e\+150, for inputs within the range"):
        n2uqc.load(build(f"a0 = Mul (x, x) {squares} y = Identity (a11)").SerializeToString())
