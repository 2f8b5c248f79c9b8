"""Elements of other number systems in an engine's place: how often each part stands there."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from n2uqc.backends.cost.dress import CODEBOOKS, KINDS, evened, rival
from n2uqc.backends.fpga.engines import Fold
from n2uqc.backends.fpga.engines.matrix_vector import MatrixVector
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.units.window import WindowEngine
from n2uqc.passes.program import Constant, Conv

from ...properties.programs import Builder

SHARED = ("codebook products", "codebook planes", "lqnets")
"""Number systems of which something stands beside the elements: levels, masks, an offset."""


def layer(groups: int, bits: int = 2) -> WindowEngine:
    """A 3x3 convolution of 8 channels of low-bit codes to 8."""
    b = Builder(0, 4, 8, bits, False)
    weight = 2 * b.rng.integers(0, 1 << bits, (8, 3, 3, 8 // groups)) - (1 << bits) + 1
    y = b.add(
        Conv, "x", weight=b.const(Constant.odd(weight, bits)), pads=(1, 1, 1, 1), groups=groups
    )
    engine, *_ = engines_of(b.finish(b.requantize(y)))
    return cast("WindowEngine", engine)


def luts(engine: WindowEngine, numbers: str, pe: int) -> int:
    folded = cast("WindowEngine", engine.folded(Fold(pe, 9)))
    return rival(folded, numbers, "xc7", dsp=False).cells.lut


@pytest.mark.parametrize("numbers", SHARED)
def test_elements_of_a_depthwise_convolution_share_nothing(numbers: str) -> None:
    """Each reads operands of its own, so twice the elements are twice everything."""
    engine = layer(groups=8)
    assert engine.kind == "depthwise"
    two, four, eight = (luts(engine, numbers, pe) for pe in (2, 4, 8))
    assert four == pytest.approx(2 * two, abs=2) and eight == pytest.approx(2 * four, abs=2)


@pytest.mark.parametrize("numbers", SHARED)
def test_elements_of_the_same_operands_share_what_is_made_of_them(numbers: str) -> None:
    """What is beside them is there once, so twice the elements are less than twice everything."""
    engine = layer(groups=1)
    two, four, eight = (luts(engine, numbers, pe) for pe in (2, 4, 8))
    beside = 2 * two - four
    assert beside > 4
    assert 2 * four - eight == pytest.approx(beside, abs=2)


@pytest.mark.parametrize("numbers", sorted(KINDS))
def test_the_smallest_form_of_a_codebook_is_taken(numbers: str) -> None:
    """Bit planes are among them up to two bits; blocks are no matter where they may be used."""
    for bits, kinds in ((2, KINDS[numbers]), (3, CODEBOOKS)):
        engine = layer(1, bits)
        found = {kind: rival(engine, kind, "xc7", dsp=False).cells for kind in kinds}
        taken = rival(engine, numbers, "xc7", dsp=False)
        least = min(found.values(), key=lambda cells: (cells.dsp, cells.lut))
        assert (taken.cells, found[taken.form]) == (least, least)
        assert taken.cells.dsp == 0
        free = {kind: rival(engine, kind, "xc7", dsp=True).cells.lut for kind in kinds}
        assert rival(engine, numbers, "xc7", dsp=True).cells.lut == min(free.values())


@pytest.mark.parametrize(("activations", "weights"), [(2, 2), (3, 2), (1, 3)])
def test_evened_levels(activations: int, weights: int) -> None:
    """Ranks of an output channel's weights as odd codes; codes from 0, zeros around the map."""
    engine = cast("MatrixVector", layer(groups=1))
    uneven = engine.values(engine.op.weight) ** 3 + 7
    op = replace(engine.op, levels=2, pad_value=3)
    constants = {**engine.constants, engine.op.weight: Constant.narrow(uneven)}
    own = replace(engine, op=op, constants=constants, facts={})
    found, form = evened(own, activations, weights, "xc7")
    assert form in found.forms
    assert (found.op.levels, found.op.pad_value, found.op.pads) == (0, 0, op.pads)
    x = found.inputs[0]
    assert (x.bits, x.signed, x.lo, x.hi) == (activations, False, 0, (1 << activations) - 1)
    assert x.shape == engine.inputs[0].shape and found.output.shape == engine.output.shape
    codes = found.values(found.op.weight)
    assert set(np.unique(codes).tolist()) == set(
        range(1 - (1 << weights), 9 - (1 << weights), 2)
    )  # four ranks
    for row, before in zip(codes, uneven, strict=True):
        assert (
            np.argsort(row, axis=None, kind="stable")
            == np.argsort(before, axis=None, kind="stable")
        ).all()
