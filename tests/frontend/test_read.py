"""Reading files that are missing, broken, too large or reach outside their folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from n2uqc.frontend import external_data, read
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.read import read_model
from tests.frontend.networks import build, check_same, refused

CONV = build(
    "[conv] y = Conv (x, W)", {"W": np.random.default_rng(0).standard_normal((3, 2, 3, 3))}
)


@pytest.fixture
def external(tmp_path: Path) -> Path:
    """A model whose weights stand in weights.bin beside it."""
    model = onnx.ModelProto()
    model.CopyFrom(CONV)
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    assert (tmp_path / "weights.bin").is_file()
    return tmp_path / "model.onnx"


def relocate(path: Path, location: str) -> None:
    """Points the external tensor of a saved model elsewhere."""
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())


def test_path_bytes_and_proto_give_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(CONV, path)
    for source in (path, str(path), path.read_bytes(), CONV):
        assert read_model(source) == CONV


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("missing.onnx", None, "No such file"),
        ("empty.onnx", b"", "empty"),
        ("text.onnx", b"this is not a model, just some text", "not an ONNX model"),
        ("cut.onnx", CONV.SerializeToString()[:-20], "cut off"),
        ("half.onnx", CONV.SerializeToString()[: CONV.ByteSize() // 2], "cut off"),
        ("nothing.onnx", onnx.ModelProto(ir_version=8).SerializeToString(), "no ONNX graph"),
        ("\0.onnx", None, "cannot read"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes | None, word: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    (problem,) = refused(path, word)
    assert name.strip("\0") in str(problem)


def test_every_truncation_is_refused() -> None:
    content = CONV.SerializeToString()
    for length in range(len(content)):
        with pytest.raises(CompileError):
            read_model(content[:length])


def test_directory(tmp_path: Path) -> None:
    refused(tmp_path, "directory")


def test_unreadable_file(tmp_path: Path) -> None:
    loop = tmp_path / "loop.onnx"
    loop.symlink_to(loop)
    refused(loop, "cannot read")


def test_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(CONV, path)
    monkeypatch.setattr(read, "SIZE_LIMIT", 100)
    refused(path, "GiB")


def test_external_data_is_loaded(external: Path) -> None:
    array = onnx.numpy_helper.to_array(read_model(external).graph.initializer[0])
    np.testing.assert_array_equal(array, onnx.numpy_helper.to_array(CONV.graph.initializer[0]))


def test_external_data_needs_a_path(external: Path) -> None:
    refused(external.read_bytes(), "external file", "pass the path")


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "sub/../../weights.bin"])
def test_external_data_must_stay_in_the_folder(external: Path, location: str) -> None:
    (external.parent.parent / "weights.bin").write_bytes(bytes(1000))
    relocate(external, location)
    (problem,) = refused(external, "external data cannot be read")
    assert problem.node == "W"


def test_external_data_through_a_symbolic_link(external: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside.bin"
    outside.write_bytes(bytes(1000))
    (external.parent / "link.bin").symlink_to(outside)
    relocate(external, "link.bin")
    refused(external, "external data cannot be read")


def test_external_data_missing_or_short(external: Path) -> None:
    data = external.parent / "weights.bin"
    data.write_bytes(data.read_bytes()[:-4])
    refused(external, "external data cannot be read")
    data.unlink()
    refused(external, "external data cannot be read", "keep the .onnx file and its data file")


def test_external_data_limit(external: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_data, "SIZE_LIMIT", external.stat().st_size)
    (external.parent / "weights.bin").write_bytes(bytes(10_000))
    refused(external)


def test_loads_what_it_reads() -> None:
    check_same(CONV)


def test_a_device_is_no_file() -> None:
    """Reading one may never end."""
    refused("/dev/zero", "no ordinary file")


def declared(path: Path, size: int) -> None:
    """The model at `path` with a parameter of `size` bytes in its data file, which is as long."""
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    tensor.dims[:] = [size // 4]
    for entry in tensor.external_data:
        if entry.key == "length":
            entry.value = str(size)
    path.write_bytes(model.SerializeToString())


def test_external_data_that_is_not_there(external: Path) -> None:
    """A sparse file: as long as it says, and nothing on the disk."""
    declared(external, 1 << 30)
    os.truncate(external.parent / "weights.bin", 1 << 30)
    refused(external, "few are on disk")


def test_external_data_that_many_share(external: Path) -> None:
    declared(external, 1 << 20)
    (external.parent / "weights.bin").write_bytes(os.urandom(1 << 20))
    model = onnx.load(external, load_external_data=False)
    for k in range(100):
        model.graph.initializer.append(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"W{k}"
    external.write_bytes(model.SerializeToString())
    refused(external, "few are in all its data files")


@pytest.mark.parametrize("words", ["bytes where the shape [3, 2, 3, 3] takes 216"])
def test_external_data_of_another_length(external: Path, words: str) -> None:
    model = onnx.load(external, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "length":
            entry.value = "100"
    external.write_bytes(model.SerializeToString())
    refused(external, words)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("9" * 5000, "5000 characters"),
        ("9" * 4000, "GiB of data"),
        ("-1", "external data cannot be read"),
        ("one", "external data cannot be read"),
        ("", "external data cannot be read"),
    ],
)
def test_external_data_of_no_length(external: Path, value: str, words: str) -> None:
    model = onnx.load(external, load_external_data=False)
    model.graph.initializer[0].external_data.add(key="length", value=value)
    external.write_bytes(model.SerializeToString())
    refused(external, words)


def test_external_data_in_a_pipe(external: Path) -> None:
    """Opening one would wait."""
    os.mkfifo(external.parent / "pipe")
    relocate(external, "pipe")
    refused(external, "'pipe' is not a file")


def test_external_data_of_nodes_in_branches_and_functions(external: Path) -> None:
    """They are found like those of the graph, and loaded."""
    model = onnx.load(external, load_external_data=False)
    outside = model.graph.initializer[0]
    constant = onnx.helper.make_node("Constant", [], ["c"], "inner")
    constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(outside)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    opset = onnx.helper.make_opsetid("", 17)
    function = onnx.helper.make_function("other", "F", [], ["c"], [constant], [opset])
    model.graph.node.append(onnx.helper.make_node("If", ["q"], ["r"], then_branch=branch))
    model.functions.append(function)
    external.write_bytes(model.SerializeToString())
    read = read_model(external)
    for node in (read.graph.node[-1].attribute[0].g.node[0], read.functions[0].node[0]):
        assert node.attribute[0].t.raw_data == CONV.graph.initializer[0].raw_data
