"""Engines that are drawn are of the kinds, widths and forms that are to be measured."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from n2uqc.backends.fpga.engines import Engine
from n2uqc.backends.fpga.measured.drawing import CHANNELS
from n2uqc.backends.fpga.measured.draws import KINDS, draw
from n2uqc.passes.program import Interpolate, Lookup

NUMBERS = range(40)


def drawn(kind: str) -> list[Engine]:
    return [draw(kind, number)[0] for number in NUMBERS]


def widths(engines: list[Engine], operand: int = 0) -> tuple[int, int]:
    found = [engine.inputs[operand].bits for engine in engines]
    return min(found), max(found)


@pytest.mark.parametrize("kind", KINDS)
def test_results_of_all_kinds_are_what_the_operation_gives(kind: str) -> None:
    """Types that its inference says, or wider by spare bits; foldings that divide."""
    for engine in drawn(kind)[:12]:
        assert engine.op is not None
        types = dict(zip(engine.op.inputs, engine.inputs, strict=True))
        result = engine.op.infer_integer(types, engine.constants)
        assert (result.shape, result.lo, result.hi) == (
            engine.output.shape, engine.output.lo, engine.output.hi,
        )  # fmt: skip
        assert 0 <= engine.output.bits - result.bits <= 8
        assert all(x.shape[2] in (1, *CHANNELS, *range(4, 257, 4)) for x in engine.inputs)
        assert engine.fold.pe in engine.pe_options and engine.fold.simd in engine.simd_options


def test_factors_are_signed() -> None:
    """One is as wide as a stream, the other as a multiplier's narrow operand."""
    engines = drawn("multiply")
    assert all(x.signed and x.lo < 0 for engine in engines for x in engine.inputs)
    assert 2 <= widths(engines)[0] <= 5 and 28 <= widths(engines)[1] <= 32
    assert 2 <= widths(engines, 1)[0] <= 3 and 15 <= widths(engines, 1)[1] <= 17


def test_summands_are_of_both_kinds() -> None:
    engines = drawn("add")
    assert {x.signed for engine in engines for x in engine.inputs} == {False, True}
    assert widths(engines)[0] <= 5 and widths(engines)[1] >= 28


def test_thresholds_lie_around_zero() -> None:
    """Steps of 1 to 4 bits; of some engines a part of the channels falls."""
    falling = 0
    for engine in drawn("threshold"):
        bounds, signs, base = (
            engine.values(getattr(engine.op, n)) for n in ("bounds", "signs", "base")
        )
        steps = bounds.shape[1]
        assert steps in (1, 3, 7, 15) and (np.diff(bounds, axis=1) >= 0).all()
        assert (bounds >= engine.inputs[0].lo).all() and (bounds <= engine.inputs[0].hi).all()
        if bounds.size > 60:
            assert abs(bounds.mean()) < 0.4 * np.abs(bounds).max()
            assert bounds.min() < -0.7 * bounds.max() and bounds.max() > -0.7 * bounds.min()
        assert ((base == 0) == (signs[:, 0] == 1)).all() and (
            (base == steps) == (signs[:, 0] == -1)
        ).all()
        falling += bool((signs == -1).any())
    assert 2 <= falling <= 20


def test_multipliers_of_requantizations_are_full_and_results_as_wide_as_is_said() -> None:
    for engine in drawn("requantize"):
        multiplier, bias, shift = (
            engine.values(getattr(engine.op, n)) for n in ("multiplier", "bias", "shift")
        )
        width, factor = engine.inputs[0].bits, int(multiplier.max()).bit_length()
        assert (multiplier >= 1 << factor - 1).all() and 4 <= factor <= 24
        assert 0 <= shift.min() <= shift.max() <= 40
        whole = width + factor - engine.output.bits
        assert whole == shift.max() or shift.max() in range(min(whole, 40) - 3, 41)
        assert (np.abs(bias) <= 1 << width + factor - 4).all()


def test_moves_of_every_form() -> None:
    """A shuffle, a transpose, depth to space and a margin of a map of 4 x 4 pixels."""
    shapes = set()
    for engine in drawn("rearrange"):
        height, width, channels = engine.output.shape
        depth = engine.inputs[0].shape[2]
        forms = {
            (4, 4, depth): "shuffle", (depth, 4, 4): "transpose",
            (8, 8, depth // 4): "depth to space", (6, 6, depth): "margin",
        }  # fmt: skip
        shapes.add(forms[height, width, channels])
    assert shapes >= {"shuffle", "depth to space", "margin"}


def test_pieces_cover_the_operand() -> None:
    """Draws begin at the least value; bases of 28 bits and slopes of 13, with their sign."""
    for engine in drawn("interpolate"):
        base, slope = (engine.values(getattr(engine.op, n)) for n in ("base", "slope"))
        x, op = engine.inputs[0], cast("Interpolate", engine.op)
        start, step = op.start, op.step
        assert start == x.lo and base.shape == slope.shape
        assert base.shape[1] in (32, 100, 256) and base.shape[1] << step >= x.hi - x.lo
        assert -(1 << 27) <= base.min() < -(1 << 25) and 1 << 25 < base.max() < 1 << 27
        assert -(1 << 12) <= slope.min() < -(1 << 10) and 1 << 10 < slope.max() < 1 << 12


def test_a_level_for_each_code() -> None:
    signs = set()
    for engine in drawn("lookup"):
        levels = engine.values(cast("Lookup", engine.op).table)
        assert levels.size == 1 << engine.inputs[0].bits and not engine.inputs[0].signed
        signs |= set(np.sign(levels).ravel().tolist())
    assert signs >= {-1, 1}
