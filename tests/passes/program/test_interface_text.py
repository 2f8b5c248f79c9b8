"""The host's part in program text: read back as it was written, or refused."""

from __future__ import annotations

import pytest
from onnx import helper

from n2uqc.frontend.host_model import MOST_BATCH, HostModel
from n2uqc.passes.program.interface_text import dump_host, parse_host

_PORTS = [helper.make_tensor_value_info(name, 1, ["N", 2]) for name in "xy"]
_GRAPH = helper.make_graph(
    [helper.make_node("Identity", ["x"], ["y"])], "g", *([p] for p in _PORTS)
)
DATA = helper.make_model(_GRAPH, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


def read(host: HostModel, inline: bool) -> HostModel:
    kind, _, text = dump_host(host, inline).partition(" ")
    assert kind == "host"
    return parse_host(text, None if inline else host.data)


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 7, MOST_BATCH])
def test_there_and_back(batch: int, inline: bool) -> None:
    """A batch of 0 is one of any number."""
    host = HostModel(DATA, ("y",), batch)
    found = read(host, inline)
    assert (found.data, found.outputs, found.batch) == (DATA, host.outputs, batch)


@pytest.mark.parametrize("batch", [-1, MOST_BATCH + 1, 2**63])
def test_batches_of_no_size(batch: int) -> None:
    """The last piece of a batch is filled up, so its size is memory."""
    text = dump_host(HostModel(DATA, ("y",), 7), True).removeprefix("host ")
    with pytest.raises(ValueError, match=f"takes {batch} samples at once"):
        parse_host(text.replace("7 ", f"{batch} ", 1), None)


def test_another_model_than_was_saved() -> None:
    text = dump_host(HostModel(DATA, ("y",), 0), False).removeprefix("host ")
    with pytest.raises(ValueError, match="not what was saved"):
        parse_host(text, DATA + b"!")
