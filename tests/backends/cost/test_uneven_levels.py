"""A network of uneven levels is priced by its integers, and beside it with even levels."""

from __future__ import annotations

import pytest

from n2uqc.backends.cost import Comparison, compare
from n2uqc.passes import load
from n2uqc.passes.program import Conv, Lookup

from ...frontend.rivals import network


def compared(method: str, bits: int, folder, **more: bool) -> Comparison:
    import onnx

    path = folder / f"{method}.onnx"
    onnx.save(network(method, bits, **more), path)
    return compare(load(path))


@pytest.mark.parametrize(("method", "bits", "depthwise"), [("lcq", 3, False), ("apot", 4, True)])
def test_own_levels_cost_what_they_are(method, bits, depthwise, tmp_path) -> None:
    c = compared(method, bits, tmp_path, depthwise=depthwise)
    program = c.design.program
    tables = [program.constants[op.table] for op in program.ops if isinstance(op, Lookup)]
    uneven = [op for op in program.ops if isinstance(op, Conv) and op.levels]
    assert len(tables) == len(uneven) == 2
    own, even = c.totals["own"], c.totals["n2uq"]
    assert own.bits.stream - even.bits.stream == sum(table.storage_bits for table in tables)
    assert own.energy.stream > even.energy.stream
    assert c.alternatives[0].id == "own"
    assert own.resources == c.design.resources
    for layer in c.layers:
        mac = layer.counts.mac
        if not (mac and mac.uneven):
            continue
        assert (mac.activation_bits, mac.weight_bits) == (bits, bits)
        weight = next(program.constants[op.weight] for op in uneven if op.output == mac.name)
        # what is read and multiplied are the levels: the table's entries and the weight constant
        mine, other = layer.costs["own"], layer.costs["n2uq"]
        assert mine.bits.weights == weight.storage_bits == mac.rows * mac.depth * mac.stored_bits
        assert other.bits.weights == mac.rows * mac.depth * bits
        assert max(mac.operand_bits, mac.stored_bits) > bits
        wide, narrow = sorted((mac.operand_bits, mac.stored_bits), reverse=True)
        assert mine.operations.multiplies[wide, narrow] >= mac.macs
        assert other.operations.multiplies[bits, bits] == mac.macs
        assert mine.energy.mac > other.energy.mac and mine.energy.weights >= other.energy.weights
        assert mine.bits.buffers >= other.bits.buffers
    assert (
        own.resources.lut + 100 * own.resources.dsp > even.resources.lut + 100 * even.resources.dsp
    )
    # no alternative holds the tables; every one is complete
    assert all(t.resources.lut > 0 for t in c.totals.values())
    assert c.totals["codebook"].mac.lut > even.mac.lut


def test_even_levels_have_no_row_of_their_own(tmp_path) -> None:
    c = compared("lsq", 2, tmp_path)
    assert "own" not in c.totals
    assert c.totals["n2uq"].resources == c.design.resources
