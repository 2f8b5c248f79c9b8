"""Inner loops of matrix products, run: random products, and the ends of all ranges."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import tvm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import s_tir, te

from n2uqc.backends import find_target, toolchain
from n2uqc.backends.cpu.kernels import gemm, matrix, winograd
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import Gemm, Micro, Plan, dot, madd, maddubs, mmla
from n2uqc.backends.tir import emit_object

from ..host import llvm
from .cases import check, conv_program, ends, only

HOST = find_target("host").processor.vectors
AVX2 = Vectors(32, 16, frozenset({"avx2"}))
needs_avx2 = pytest.mark.skipif("avx2" not in HOST.features, reason="this machine has no AVX2")
_SETTINGS = settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
)


def multiply(plan: Plan, left: np.ndarray, folder: Path) -> np.ndarray:
    """The product of a plan, computed on this machine.

    Args:
        plan: its batches, rows and outputs are computed.
        left: integers (B, blocks of rows, rows, K).
        folder: for the files it takes.

    Returns:
        int64 (B, blocks of rows, rows, O).
    """
    (batch, blocks, rows, depth), out = left.shape, plan.gemm.weights.shape[1]
    stored = np.zeros((batch, blocks, rows, plan.depths * plan.depth), np.int64)
    shift = np.zeros(batch, np.int64) if plan.shift is None else plan.shift
    stored[..., :depth] = left + shift[:, None, None, None]
    stored = stored.reshape(batch, 1, blocks, rows, plan.depths, plan.depth)
    arrays = [np.ascontiguousarray(stored.transpose(0, 1, 2, 4, 3, 5)).astype(plan.left)]
    arrays += [plan.arranged_weights, *([] if plan.constant is None else [plan.constant])]
    operands = [te.placeholder(a.shape, a.dtype.name, f"x{k}") for k, a in enumerate(arrays)]
    product = plan.product(operands[0], operands[1])
    constant = operands[2] if len(operands) > 2 else None
    y = te.compute(
        (batch, blocks, rows, plan.blocks * plan.outs),
        lambda b, n, r, o: plan.read(product, constant, "int64", b, 0, n, r, o),
        "y",
    )
    schedule = s_tir.Schedule(te.create_prim_func([*operands, y]))
    plan.schedule(schedule)
    name = f"f{len(list(folder.iterdir()))}"
    function = schedule.mod["main"].with_attrs({"global_symbol": name, "tirx.noalias": True})
    emit_object(tvm.IRModule({name: function}), llvm("host"), folder / f"{name}.o")
    library = toolchain.shared_library([folder / f"{name}.o"], folder / f"{name}.so")
    result = np.zeros((batch, blocks, rows, plan.blocks * plan.outs), np.int64)
    getattr(ctypes.CDLL(str(library)), name)(
        *(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, result))
    )
    return result[..., :out]


def random_gemm(rng: np.random.Generator, top: int, lo: int, hi: int) -> Gemm:
    batch, out, depth = rng.integers(1, 3), rng.integers(1, 40), rng.integers(1, 90)
    ends = np.sort(rng.integers(lo, hi + 1, (2, batch, depth)), axis=0)
    return Gemm(rng.integers(-top, top + 1, (batch, out, depth)), ends[0], ends[1])


def differences(micro: Micro, product: Gemm, rng: np.random.Generator, folder: Path) -> None:
    """Compare a plan with numpy, rows at random and at the ends that an output makes worst."""
    found = list(micro.plans(product, AVX2))
    for plan in rng.choice(np.array(found, object), min(1, len(found)), replace=False):
        shape = (len(product.weights), 2, plan.rows, product.weights.shape[2])
        lo, hi = (end[:, None, None] for end in (product.lo, product.hi))
        left = rng.integers(np.broadcast_to(lo, shape), np.broadcast_to(hi, shape) + 1)
        worst = product.weights[:, rng.integers(product.weights.shape[1])][:, None] > 0
        left[:, 0, 0] = np.where(worst, hi[:, 0], lo[:, 0])[:, 0]
        left[:, 1, 0] = np.where(worst, lo[:, 0], hi[:, 0])[:, 0]
        expected = np.einsum("bnrk,bok->bnro", left, product.weights)
        np.testing.assert_array_equal(multiply(plan, left, folder), expected)


@needs_avx2
@_SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 27, 63, 127]),
    st.integers(-60, 0),
    st.integers(0, 60),
)
def test_pairs_of_bytes_on_avx2(tmp_path: Path, seed: int, top: int, lo: int, hi: int) -> None:
    rng = np.random.default_rng(seed)
    differences(maddubs.MICRO, random_gemm(rng, top, lo, hi), rng, tmp_path)


@needs_avx2
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("top", "lo", "hi"), [(27, -6, 6), (27, 0, 12), (127, -5, 5)])
def test_pairs_of_bytes_at_their_ends(
    tmp_path: Path, sign: int, top: int, lo: int, hi: int
) -> None:
    """Weights all as large as a transform makes them: chunks are as long as the proof allows."""
    ends = np.full((1, 200), lo), np.full((1, 200), hi)
    product = Gemm(np.full((1, 16, 200), sign * top), *ends)
    assert list(maddubs.MICRO.plans(product, AVX2))
    differences(maddubs.MICRO, product, np.random.default_rng(0), tmp_path)


def test_pairs_that_saturate_are_refused() -> None:
    ends = np.zeros((1, 2), np.int64), np.full((1, 2), 129)
    fitting = Gemm(np.array([[[127, 126]]]), *ends)
    assert 127 * 129 + 126 * 129 < 1 << 15 and list(maddubs.MICRO.plans(fitting, AVX2))
    beyond = Gemm(np.array([[[127, 128]]]), *ends)
    assert not list(maddubs.MICRO.plans(beyond, AVX2))  # no byte
    ends = np.zeros((1, 2), np.int64), np.full((1, 2), 130)
    saturating = Gemm(np.array([[[127, 127]]]), *ends)
    assert 2 * 127 * 130 >= 1 << 15 and not list(maddubs.MICRO.plans(saturating, AVX2))
    apart = Gemm(np.array([[[127, -128]]]), *ends)
    assert list(maddubs.MICRO.plans(apart, AVX2))


@needs_avx2
@_SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 300, 4000, (1 << 15) - 1]),
    st.sampled_from([(-(1 << 15), (1 << 15) - 1), (0, 200), (-5, 32767)]),
)
def test_pairs_of_words_on_avx2(tmp_path: Path, seed: int, top: int, ends: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    differences(madd.MICRO, random_gemm(rng, top, *ends), rng, tmp_path)


@needs_avx2
@pytest.mark.parametrize(
    ("weight", "depth"),
    [
        ((1 << 15) - 1, 77),
        (-(1 << 15) + 1, 147),
        (9000, 256),
    ],
)
def test_pairs_of_words_at_their_ends(tmp_path: Path, weight: int, depth: int) -> None:
    ends = np.full((1, depth), -(1 << 15)), np.full((1, depth), (1 << 15) - 1)
    product = Gemm(np.full((1, 8, depth), weight), *ends)
    assert list(madd.MICRO.plans(product, AVX2))
    differences(madd.MICRO, product, np.random.default_rng(0), tmp_path)


@given(st.integers(0, 2**32 - 1), st.sampled_from([500, 5000, (1 << 15) - 1]))
@settings(deadline=None, max_examples=30)
def test_chunks_of_pairs_fit_and_miss_none(seed: int, top: int) -> None:
    product = random_gemm(np.random.default_rng(seed), top, -(1 << 15), (1 << 15) - 1)
    batch, out, length = product.weights.shape
    depth = -(-length // 2) * 2
    found = madd.chunks(product, 1, depth)
    whole = [np.zeros((batch, out, depth), np.int64) for _ in range(2)]
    for end, row in zip(whole, (product.lo, product.hi), strict=True):
        end[..., :length] = product.weights * row[:, None]
    least, greatest = np.minimum(*whole), np.maximum(*whole)
    for chunk in found:
        taps = [2 * pair + n for pair in chunk for n in (0, 1)]
        assert np.minimum(least, 0)[..., taps].sum(axis=2).min() > -(1 << 31)
        assert np.maximum(greatest, 0)[..., taps].sum(axis=2).max() < 1 << 31
    used = sorted(pair for chunk in found for pair in chunk)
    pairs = np.abs(product.weights).sum(axis=(0, 1))
    pairs = np.pad(pairs, (0, depth - length)).reshape(-1, 2).sum(axis=1)
    needed = [
        k
        for k in np.flatnonzero(pairs)
        if least[..., 2 * k : 2 * k + 2].any() or greatest[..., 2 * k : 2 * k + 2].any()
    ]
    assert not found or used == [int(k) for k in needed]


def test_a_pair_beyond_32_bits_is_refused() -> None:
    least = np.full((1, 2), -(1 << 15))
    product = Gemm(np.full((1, 1, 2), -(1 << 15)), least, -least - 1)
    assert not list(madd.MICRO.plans(product, AVX2))


SHAPES: dict[str, tuple[tuple[int, ...], int, int, dict[str, object]]] = {
    "Winograd": ((18, 3, 3, 19), 7, 2, {"pads": (1, 1, 1, 1)}),
    "Winograd, 4 bits": ((8, 3, 3, 40), 4, 4, {"pads": (1, 1, 1, 1)}),
    "strided": ((9, 3, 3, 16), 7, 3, {"stride": (2, 2), "pads": (1, 1, 1, 1)}),
    "stem": ((8, 7, 7, 3), 9, 4, {"stride": (2, 2), "pads": (3, 3, 3, 3)}),
    "signed": ((5, 1, 1, 33), 3, 5, {"signed": True}),
}


@pytest.mark.parametrize("kind", ["random", "ends"])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("micro", "target"),
    [
        (dot.MICRO, "aarch64+dotprod"),
        (mmla.MICRO, "aarch64+i8mm"),
        (maddubs.MICRO, "host"),
    ],
    ids=["dot", "mmla", "maddubs"],
)
def test_convolutions(
    micro: Micro,
    target: str,
    name: str,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if target == "host" and "avx2" not in HOST.features:
        pytest.skip("this machine has no AVX2")
    only(monkeypatch, *(winograd if "Winograd" in name else matrix).KERNELS)
    monkeypatch.setattr(gemm, "MICROS", (micro,))
    shape, size, bits, options = SHAPES[name]
    # Transformed weights are nine times as large at most, and must be bytes.
    top = min((1 << bits) - 1, 127 // 9 if "Winograd" in name else 127)
    if micro is maddubs.MICRO and kind != "random" and bits == 4:
        top = 3  # the least chunk of K would not fit: left to other kernels
    weight = {
        "random": np.random.default_rng(len(name)).integers(-top, top + 1, shape),
        "ends": ends(shape, top),
    }[kind]
    program = conv_program(weight, size, bits, levels=3 if kind == "random" else 0, **options)
    check(program, tmp_path, target)
