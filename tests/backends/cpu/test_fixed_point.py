"""Fixed-point convolutions: chunks of taps proven, sums exact at the ends of all ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends import compile as compile_program
from n2uqc.backends import run_artifact
from n2uqc.backends.cpu.kernels.taps import bound, cut, units
from n2uqc.backends.cpu.kernels.wrapping import MOST, readings
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Constant, Conv, Program, run
from tests.properties.programs import Builder


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 16), st.integers(2, 16), st.booleans())
def test_no_chunk_adds_too_much(seed: int, bits: int, wide: int, signed: bool) -> None:
    """Brute force over the worst input of every output channel."""
    rng = np.random.default_rng(seed)
    top = 1 << (wide - 1)
    weight = rng.integers(-top, top, (3, *rng.integers(1, 5, 3)))
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    parts = units(weight)
    assert parts.sum() == weight.sum() and parts.shape[2] % 8 == 0
    chunks = cut(parts, lo, hi, MOST)
    assert chunks is not None
    assert sorted(k for chunk in chunks for k in chunk) == [
        k for k in range(parts.shape[2]) if parts[:, :, k].any()
    ]
    for chunk in chunks:
        most = 0
        for row in parts.reshape(-1, parts.shape[2])[:, list(chunk)]:
            ends = [sorted((0, int(w) * lo, int(w) * hi)) for w in row]
            most = max(most, sum(e[-1] for e in ends), -sum(e[0] for e in ends))
        assert most == bound(parts, lo, hi, chunk) <= MOST


def test_one_product_beyond_32_bits_has_no_chunk() -> None:
    assert cut(np.full((1, 1, 8), 1 << 15), -(1 << 16), 0, MOST) is None


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.integers(-MOST, MOST) | st.sampled_from([-MOST, MOST, 0, 1, -1]),
        min_size=1,
        max_size=120,
    ),
)
def test_readings_know_sums_that_wrapped_around(rises: list[int]) -> None:
    """What the instructions do, in numbers of their sizes, for more chunks than windows have."""
    bound = sum(map(abs, rises))
    plan = readings(len(rises), bound, max(rises[-1], 0))
    assert plan is not None
    total, accumulator, risen, upper = 0, np.int32(0), np.int16(0), np.int16(0)
    with np.errstate(over="ignore"):
        for n, rise in enumerate(rises):
            total += rise
            accumulator = accumulator + np.int64(rise).astype(np.int32)
            if n < plan.count:
                before, upper = upper, np.int16(accumulator >> 16)
                risen = np.int16(risen + ((upper - before) >> plan.shift))
        rest = accumulator - (np.int32(risen) << np.int32(16 + plan.shift))
    assert (int(risen) << 16 + plan.shift) + int(rest) == total


def convolution(
    seed: int,
    *,
    bits: int,
    weight_bits: int,
    size: int,
    channels: int,
    out: int,
    kernel: int,
    stride: int = 1,
    dilation: tuple[int, int] = (1, 1),
    extreme: bool = False,
) -> tuple[Program, np.ndarray]:
    """A convolution with requantization, and inputs at both ends of their range and between."""
    b = Builder(seed, size, channels, bits, True)
    top = (1 << (weight_bits - 1)) - 1
    shape = (out, kernel, kernel, channels)
    weight = b.rng.integers(-top, top + 1, shape)
    if extreme:
        weight = np.where(weight < 0, -top, top)
        weight[0], weight[-1] = top, -top
    pad = kernel // 2
    acc = b.add(
        Conv,
        "x",
        weight=b.const(Constant.narrow(weight)),
        stride=(stride, stride),
        dilation=dilation,
        pads=(pad, pad, pad, pad),
    )
    program = plan_memory(b.finish(b.requantize(acc, 32)))
    kind = program.types["x"]
    x = b.rng.integers(kind.lo, kind.hi + 1, (5, *kind.shape))
    x[0], x[1] = kind.lo, kind.hi
    # What makes the first channels' sums largest and smallest.
    signs = weight[1].reshape(kernel, kernel, channels)[pad, pad]
    x[2], x[3] = np.where(signs > 0, kind.hi, kind.lo), np.where(signs > 0, kind.lo, kind.hi)
    return program, x


CASES = {
    "stem": {
        "bits": 16,
        "weight_bits": 16,
        "size": 14,
        "channels": 3,
        "out": 16,
        "kernel": 7,
        "stride": 2,
    },
    "largest weights": {
        "bits": 16,
        "weight_bits": 16,
        "size": 5,
        "channels": 3,
        "out": 8,
        "kernel": 5,
        "extreme": True,
    },
    "8-bit input": {"bits": 8, "weight_bits": 16, "size": 12, "channels": 3, "out": 8, "kernel": 5},
    "24 bits": {
        "bits": 24,
        "weight_bits": 24,
        "size": 10,
        "channels": 3,
        "out": 24,
        "kernel": 7,
        "stride": 2,
        "extreme": True,
    },
    "many channels": {
        "bits": 16,
        "weight_bits": 16,
        "size": 4,
        "channels": 250,
        "out": 8,
        "kernel": 1,
        "stride": 2,
    },
    "rows apart": {
        "bits": 20,
        "weight_bits": 9,
        "size": 9,
        "channels": 40,
        "out": 8,
        "kernel": 3,
        "dilation": (2, 1),
    },
    "odd outputs": {
        "bits": 16,
        "weight_bits": 16,
        "size": 12,
        "channels": 3,
        "out": 13,
        "kernel": 5,
    },
    "head": {"bits": 24, "weight_bits": 16, "size": 1, "channels": 77, "out": 40, "kernel": 1},
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_interpreter(case: str, tmp_path: Path) -> None:
    program, x = convolution(1, **CASES[case])
    artifact = compile_program(program, "aarch64")
    assert artifact.facts["kernels"][0]["kernel"] == "fixed-point convolution"
    folder = artifact.save(tmp_path / "net")
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))
