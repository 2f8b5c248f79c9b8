"""Networks from paths, bytes, and models in memory give the same program."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest

import n2uqc
from n2uqc.passes.program.store import to_bytes

READERS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "bytes": Path.read_bytes,
    "onnx": onnx.load,
    "onnx_ir": ir.load,
}


@pytest.mark.parametrize("kind", READERS)
def test_every_source_is_the_same_network(kind: str, model: Path, program: n2uqc.Program) -> None:
    source = READERS[kind](model)
    found = n2uqc.load(source)
    assert found.ops == program.ops
    assert all((found.constants[n].values == c.values).all() for n, c in program.constants.items())
    assert found.name == ("digits_2bit" if kind == "text" else "network")
    if kind in ("text", "bytes"):
        assert found.metadata["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    inspected = n2uqc.inspect(source)
    assert isinstance(inspected, n2uqc.Inspection)
    assert inspected.to_json() == n2uqc.inspect(model).to_json()


@pytest.mark.parametrize("kind", ["onnx", "onnx_ir"])
def test_a_model_of_the_caller_is_not_changed(kind: str, model: Path) -> None:
    source = READERS[kind](model)
    n2uqc.load(source)
    proto = source if isinstance(source, onnx.ModelProto) else ir.to_proto(source)
    before = READERS[kind](model)
    other = before if isinstance(before, onnx.ModelProto) else ir.to_proto(before)
    assert proto.SerializeToString(deterministic=True) == other.SerializeToString(
        deterministic=True
    )


def test_parameters_beside_a_file_are_found_from_memory(
    model: Path, program: n2uqc.Program, tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(onnx.load(model), path, save_as_external_data=True, location="data", size_threshold=0)
    assert n2uqc.load(ir.load(path)).ops == program.ops
    with pytest.raises(n2uqc.CompileError, match="external file"):
        n2uqc.load(path.read_bytes())


def test_saved_programs_as_path_and_bytes(program: n2uqc.Program, tmp_path: Path) -> None:
    path = tmp_path / "net.n2uq"
    n2uqc.save(program, path)
    for source in (path, str(path), path.read_bytes()):
        found = n2uqc.load(source)
        assert to_bytes(found) == path.read_bytes()
        assert isinstance(n2uqc.inspect(source), n2uqc.ProgramInspection)
    with pytest.raises(n2uqc.StoreError, match="the given bytes: not a readable"):
        n2uqc.load(path.read_bytes()[:-300])
    with pytest.raises(n2uqc.UserError, match="options are for networks"):
        n2uqc.verify(path, options=n2uqc.Options(stem_bits=9))


@pytest.mark.parametrize("wrong", [3, None, ["net.onnx"]])
def test_anything_else_is_a_type_error(wrong: Any) -> None:
    for function in (n2uqc.load, n2uqc.inspect, n2uqc.compile, n2uqc.verify):
        with pytest.raises(TypeError, match=f"not as {type(wrong).__name__}"):
            function(wrong)
