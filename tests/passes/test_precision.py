"""Precision choices: pixels, calibration, presets, and the deviation they cost."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.models.data import digits
from n2uqc.models.shipped import path
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import deviation, reference
from n2uqc.passes.fixed_point.multipliers import scaling
from n2uqc.passes.pixels import Pixels
from n2uqc.passes.program import InputError, IntType, quantize_input, trace
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.rounding import round_shift_exact
from n2uqc.passes.search_precision import search_precision

from ..properties.networks import networks


@settings(max_examples=25, deadline=None)
@given(networks())
def test_exact_precision_flips_no_code(case) -> None:
    model, images = case
    found = deviation(reference(model, Options()), compile_graph(model), images)
    # Random networks are chaotic, but at 32/24/16 bits these small ones follow exact arithmetic
    # wherever no compared value lies within the stated error of a threshold.
    if not any(row.within_error for row in found.layers):
        assert sum(row.flips for row in found.layers) == 0
        assert (
            found.logit_error * max(np.abs(y).max() for y in found.exact.values())
            <= found.logit_bound + 1e-9
        )


@pytest.fixture(scope="module")
def graph():
    return load_graph(path("digits_2bit"))


def test_presets_order_the_flips(graph) -> None:
    images = digits().test.images[:120]
    rates = [
        deviation(reference(graph, o), compile_graph(graph, o), images).flip_rate
        for o in (Options.preset(p) for p in ("exact", "balanced", "small"))
    ]
    assert rates[0] == 0
    assert rates[0] < rates[1] < rates[2] < 0.1


def test_pixels_equal_the_normalized_images(graph) -> None:
    """Gray levels 0..16 with scale 1/16 are the network's own input."""
    images = digits().test.images[:60]
    pixels = np.rint(images * 16).astype(np.uint8)
    program = compile_graph(graph, Options(pixels=Pixels(scale=1 / 16)))
    assert str(program.types[program.input]).startswith("u8[8,8,1] in [0, 255] scale 1/16")
    real = compile_graph(graph)
    assert (program(pixels).argmax(axis=1) == real(images).argmax(axis=1)).all()
    found = deviation(reference(graph, Options(pixels=Pixels(scale=1 / 16))), program, pixels)
    assert found.flip_rate == 0 and found.top1 == 60


def test_mean_and_std_are_folded_into_integers(graph) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    options = Options(pixels=Pixels(scale=1 / 255, mean=(0.3,), std=(0.7,)))
    program = compile_graph(graph, options)
    images = ((pixels / 255 - 0.3) / 0.7).astype(np.float32)
    wanted = compile_graph(graph)(images)
    assert np.abs(program(pixels) - wanted).max() < 1e-2
    values = trace(program, quantize_input(program, pixels))
    first = program.ops[0].output
    kind = program.types[first]
    assert isinstance(kind, IntType) and kind.bits <= 24
    assert np.abs(values[first][..., 0] * float(kind.scale) - images[:, 0]).max() < 2e-6


def test_pixel_programs_take_only_uint8(graph) -> None:
    program = compile_graph(graph, Options(pixels=Pixels()))
    with pytest.raises(InputError, match="takes uint8"):
        program(np.zeros((1, 1, 8, 8), np.float32))


def test_calibration_narrows_the_formats(graph) -> None:
    data = digits()
    fitted = compile_graph(graph, Options(calibration=data.train.images[:50]))
    worst = compile_graph(graph)
    name = "layer1.0.bias31"
    assert fitted.types[name].scale < worst.types[name].scale
    assert (fitted(data.test.images[:50]).argmax(1) == worst(data.test.images[:50]).argmax(1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"residual_bits": 57}, "--residual-bits is 57; it takes 8..56"),
        ({"stem_bits": 4}, "--stem-bits is 4"),
        ({"stem_bits": "24"}, "--stem-bits is 24; it takes 8..32"),
        ({"residual_bits": 20.5}, "--residual-bits is 20.5"),
        ({"widths": {"conv1": 20.5}}, "the width of conv1 is 20.5"),
        ({"margin": float("inf")}, "--margin is inf"),
        ({"input_range": (1.0, 1.0)}, "--input-range is 1.0,1.0"),
        ({"input_range": (0.0, float("nan"))}, "finite"),
        ({"calibration": np.zeros((0, 1, 8, 8), np.float32)}, "calibration data with no images"),
        ({"calibration": np.full((1, 1, 8, 8), np.nan, np.float32)}, "values that are not finite"),
        ({"calibration": np.zeros((1, 1, 8, 8), np.int16)}, "dtype int16"),
    ],
)
def test_bad_options(change, message) -> None:
    with pytest.raises(CompileError, match=message.replace(".", r"\.")):
        Options(**change)


def test_bad_pixels_and_shapes(graph) -> None:
    with pytest.raises(CompileError, match="std > 0"):
        Pixels(std=(0.0,))
    with pytest.raises(CompileError, match="--mean has 3 values; the input has 1 channels"):
        compile_graph(graph, Options(pixels=Pixels(mean=(0.1, 0.2, 0.3))))
    with pytest.raises(CompileError, match="calibration images of shape"):
        compile_graph(graph, Options(calibration=np.zeros((2, 1, 9, 8), np.float32)))
    with pytest.raises(CompileError, match="no such|there are exact"):
        Options.preset("tiny")


def test_search_keeps_codes_and_narrows(graph) -> None:
    options = Options(calibration=digits().train.images[:24])
    lines: list[str] = []
    found = search_precision(graph, options, flip_rate=2e-3, progress=lines.append)
    assert found.flip_rate <= 2e-3 and found.top1 == found.samples == 24
    assert {c.tensor for c in found.choices} >= {"input", "conv1.weight", "fc.weight"}
    assert sum(c.bits for c in found.choices) < sum(c.most for c in found.choices) * 0.7
    assert len(lines) >= len(found.choices)
    images = digits().test.images[:100]
    result = deviation(reference(graph, options), compile_graph(graph, found.options), images)
    assert result.flip_rate < 0.01  # on images it was not fitted to


def test_search_refusals(graph) -> None:
    with pytest.raises(CompileError, match="needs calibration images"):
        search_precision(graph, Options())
    with pytest.raises(CompileError, match="it takes 0..1"):
        search_precision(graph, Options(calibration=digits().train.images[:2]), flip_rate=2)
    with pytest.raises(CompileError, match="no fixed-point width is called nothing; there are"):
        compile_graph(graph, Options(widths={"nothing": 12}))
    with pytest.raises(CompileError, match="the width of conv1 is 60"):
        Options(widths={"conv1": 60})


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**40),
    st.integers(-40, 40),
    st.fractions(-1, 1, max_denominator=10**6),
    st.fractions(-1, 1, max_denominator=10**6),
)
def test_multipliers_hold_their_words_and_bounds(most, places, slope, offset) -> None:
    """The largest map that a 32-bit result allows still has a multiplier, and keeps its error."""
    assume(slope != 0 and most > 0)
    reach = Fraction(2**31 - 4) / (abs(slope) * most + abs(offset) + Fraction(1, 10**6))
    unit = min(reach, Fraction(2) ** places)
    a, b = Surd.of(slope * unit), Surd.of(offset * unit)
    found = scaling([a], [b], most)
    m, c, s = (int(k.values[0]) for k in (found.multiplier, found.bias, found.shift))
    assert abs(m) < 2**31 and 0 <= s <= 62 and abs(most * m) + abs(c) < 2**63
    for x in {0, most, -most, most // 3}:
        y = round_shift_exact(x * m + c, s)
        assert abs(y - (slope * unit * x + offset * unit)) <= found.error


@pytest.mark.parametrize("text", ["", "x", "1e999", "nan", "0", "1,2,3,4"])
def test_metadata_that_n2uqc_does_not_write(text: str) -> None:
    """Choices come back out of a program's metadata, or are refused; never another error."""
    facts = Options().facts()
    assert Options.from_facts(facts) == Options()
    for name in facts:
        with suppress(CompileError):
            found = Options.from_facts({**facts, name: text})
            assert Options.from_facts(found.facts()) == found
