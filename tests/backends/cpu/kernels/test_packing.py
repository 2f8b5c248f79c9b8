"""Weights packed as numbers of few bits: layouts, runs on every kind of product, the choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.backends import find_target
from n2uqc.backends.cpu import model
from n2uqc.backends.cpu.kernels import gemm, matrix, winograd
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.gemm import Gemm, Plan, byte_pairs, mla16
from n2uqc.backends.cpu.kernels.gemm.packing import Packing, pack
from n2uqc.frontend.diagnostics import CompileError

from .cases import check, conv_program, only

NEON = Vectors(16, 32, frozenset({"neon", "many-vectors"}))
ARMV7 = Vectors(16, 16, frozenset({"neon"}))
GRIDS = {
    "two bits": (-3, 2, 4),
    "four bits": (-15, 2, 16),
    "with zero": (-1, 1, 3),
    "no power of two": (-3, 3, 4),
    "steps of four": (-6, 4, 4),
    "even numbers": (-2, 2, 4),
    "positive": (1, 1, 7),
}
"""Least weight, step, count."""


def weights(grid: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    least, step, count = GRIDS[grid]
    found = least + step * np.random.default_rng(seed).integers(0, count, shape)
    found.flat[:2] = least, least + step * (count - 1)
    return found


def packed_only(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Let products be computed with packed weights alone; what was offered."""
    offered: list[Plan] = []

    def plans(product: Gemm, vectors: Vectors, packing: bool, wide: bool = False) -> Iterator[Plan]:
        for micro in gemm.MICROS:
            for plan in micro.plans(product, vectors):
                smaller = plan.with_packing(vectors)
                if smaller is not None:
                    offered.append(smaller)
                    yield smaller

    monkeypatch.setattr(gemm, "plans", plans)
    return offered


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(GRIDS)), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_numbers_are_those_of_the_weights(grid: str, out: int, depth: int, seed: int) -> None:
    weight = weights(grid, (1, max(out, 2), depth), seed)
    ends = np.full((1, depth), -1), np.full((1, depth), 3)
    for plan in list(mla16.MICRO.plans(Gemm(weight, *ends), NEON))[::5]:
        smaller = plan.with_packing(NEON)
        assert smaller is not None and smaller.packing is not None
        packing = smaller.packing
        stored = packing.numbers(smaller)
        assert stored.nbytes == smaller.size < plan.size
        depths, _, lanes = packing.shape(smaller)
        rows = [
            stored[0, 0] >> k * packing.bits & (1 << packing.bits) - 1
            for k in range(packing.together)
        ]
        numbers = np.stack(rows, axis=2).astype(np.int64)
        assert packing.odd == ((packing.least, packing.step) == (1 - (1 << packing.bits), 2))
        found = numbers * packing.step + packing.least
        if packing.odd:  # numbers with a sign
            found = 2 * (numbers - (numbers >> packing.bits - 1 << packing.bits)) + 1
        found = found.reshape(plan.blocks, -1, plan.outs)
        assert found.shape[1] == depths * plan.depth and lanes % plan.outs == 0
        whole = found.transpose(0, 2, 1).reshape(-1, depths * plan.depth)
        np.testing.assert_array_equal(whole[: weight.shape[1], :depth], weight[0])


@pytest.mark.parametrize("values", [[0, 31], [-8, 8, 9]])
def test_many_values_are_not_packed(values: list[int]) -> None:
    weight = np.resize(np.array(values), (1, 8, 16))
    ends = np.full((1, 16), 0), np.full((1, 16), 3)
    product = Gemm(weight, *ends)
    assert all(plan.with_packing(NEON) is None for plan in mla16.MICRO.plans(product, NEON)) == (
        len(values) > 2
    )


def test_outputs_that_share_a_lane_are_not_packed() -> None:
    """A lane then holds two weights, which a number of a few bits is not."""
    product = Gemm(weights("two bits", (1, 8, 64)), np.full((1, 64), 0), np.full((1, 64), 3))
    shared = list(byte_pairs.MICRO.plans(product, NEON))
    assert shared and all(plan.together == 2 for plan in shared)
    assert all(plan.with_packing(NEON) is None for plan in shared)


def test_zeros_that_are_shifted_are_not_packed() -> None:
    """Numbers behind K, and operands that are always zero, meet weights that may be any."""
    hi = np.full((1, 64), 3)
    product = Gemm(weights("two bits", (1, 8, 64)), 0 * hi, hi)
    plan = next(p for p in mla16.MICRO.plans(product, NEON) if p.depths * p.depth == 64)
    assert pack(plan, NEON, shifted=True) is not None
    zero = hi.copy()
    zero[0, 7] = 0
    short = Gemm(product.weights[..., :63], 0 * hi[:, :63], hi[:, :63])
    for other in (Gemm(product.weights, 0 * hi, zero), short):
        plan = next(p for p in mla16.MICRO.plans(other, NEON) if p.depths * p.depth == 64)
        assert pack(plan, NEON, shifted=True) is None
        assert pack(plan, NEON, shifted=False) is not None


def test_vectors_of_16_bytes_are_needed() -> None:
    product = Gemm(weights("two bits", (1, 8, 64)), np.full((1, 64), 0), np.full((1, 64), 3))
    plan = next(iter(mla16.MICRO.plans(product, NEON)))
    for size, packed in ((4, False), (8, False), (16, True), (32, True)):
        vectors = Vectors(size, 32, NEON.features)
        assert (pack(plan, vectors, shifted=False) is not None) == packed


@pytest.mark.parametrize(("grid", "bits"), [("two bits", 2), ("four bits", 4), ("with zero", 2)])
@pytest.mark.parametrize("vectors", [NEON, ARMV7], ids=["neon", "armv7"])
def test_price_of_expanding(grid: str, bits: int, vectors: Vectors) -> None:
    """Three instructions unpack 16 numbers; one widens and stores a byte of them, four 16 bits."""
    product = Gemm(weights(grid, (2, 16, 64)), np.full((2, 64), 0), np.full((2, 64), 3))
    for plan in mla16.MICRO.plans(product, NEON):
        packing = Packing(product.plain, *(product.spacing or (0, 0, 0)), vectors)
        assert (packing.bits, packing.together) == (bits, 8 // bits)
        depths, row, lanes = packing.shape(plan)
        numbers = plan.blocks * depths * plan.depth * plan.outs
        assert lanes == row * plan.outs * plan.group and depths >= plan.depths
        assert packing.size(plan) == 2 * numbers * bits // 8
        at_once = 16 if lanes % 16 == 0 else next(n for n in (8, 4, 2, 1) if lanes % n == 0)
        each = 3 * 2 + 2 * (1 if plan.right == "int8" else 4)
        spills = 1.1 if vectors is ARMV7 else 1
        assert packing.instructions(plan) == pytest.approx(spills * each * numbers / at_once)


def test_price_of_transformed_weights() -> None:
    """9 plain weights are unpacked, 3 x (3 + 4) transforms of rows and columns, 16 are stored."""
    weight = weights("two bits", (16, 3, 3, 16))
    product = winograd.products(weight, np.full(16, -2), np.full(16, 1))
    for plan in mla16.MICRO.plans(product, NEON):
        smaller = plan.with_packing(NEON)
        assert smaller is not None and smaller.packing is not None
        depths, _, lanes = smaller.packing.shape(plan)
        numbers = plan.blocks * depths * plan.depth * plan.outs
        assert smaller.packing.size(plan) == 9 * numbers // 4
        at_once = 16 if lanes % 16 == 0 else lanes & -lanes
        each = 3 * 9 + 3 * (3 + 4) + 16 * (1 if plan.right == "int8" else 4)
        assert smaller.packing.instructions(plan) == pytest.approx(each * numbers / at_once)


def test_weights_that_meet_only_zeros_do_not_count() -> None:
    weight = np.resize(np.array([-3, -1, 1, 3]), (1, 8, 16))
    weight[..., 5] = 100
    ends = np.full((1, 16), 0), np.full((1, 16), 3)
    assert Gemm(weight, *ends).spacing is None
    for end in ends:
        end[:, 5] = 0
    assert Gemm(weight, *ends).spacing == (2, -3, 2)


@pytest.mark.parametrize(("grid", "packed"), [("two bits", True), ("four bits", False)])
def test_armv7_packs_two_bits_alone(grid: str, packed: bool) -> None:
    """Four bits would be taken apart in three times the instructions."""
    product = Gemm(weights(grid, (1, 8, 64)), np.full((1, 64), 0), np.full((1, 64), 3))
    vectors = find_target("armv7").processor.vectors
    found = [plan.with_packing(vectors) is not None for plan in gemm.plans(product, vectors)]
    assert found and any(found) == packed


SHAPES: dict[str, tuple[tuple[int, ...], int, dict[str, object]]] = {
    "Winograd": ((18, 3, 3, 19), 7, {"pads": (1, 1, 1, 1)}),
    "Winograd, one block": ((8, 3, 3, 32), 2, {"pads": (1, 1, 1, 1), "pad_value": 2}),
    "Winograd, many strips": ((40, 3, 3, 130), 9, {"pads": (1, 1, 1, 1)}),
    "runs with a surplus": ((9, 3, 3, 3), 9, {"stride": (2, 2), "pads": (1, 1, 1, 1)}),
    "strided": ((9, 3, 3, 16), 7, {"stride": (2, 2), "pads": (1, 1, 1, 1)}),
    "1x1": ((33, 1, 1, 65), 5, {}),
}


def run_packed(
    target: str, name: str, grid: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, size, options = SHAPES[name]
    if target == "armv7" and GRIDS[grid][2] > 4:
        pytest.skip("not packed there")
    offered = packed_only(monkeypatch)
    only(monkeypatch, *(winograd if "Winograd" in name else matrix).KERNELS)
    program = conv_program(weights(grid, shape), size, 2, levels=3, **options)
    try:
        check(program, folder, target)
    except CompileError:
        if offered:
            raise
        pytest.skip("no micro-kernel packs these numbers here")


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("Winograd", "two bits"),
        ("Winograd, one block", "with zero"),
        ("strided", "four bits"),
        ("Winograd, many strips", "no power of two"),
        ("1x1", "positive"),
    ],
)
@pytest.mark.parametrize("target", ["host", "aarch64", "aarch64+dotprod", "aarch64+i8mm", "armv7"])
def test_convolutions(
    target: str, name: str, grid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_packed(target, name, grid, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("grid", sorted(GRIDS))
@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("target", ["host", "aarch64", "aarch64+dotprod", "aarch64+i8mm", "armv7"])
def test_all_convolutions(
    target: str, name: str, grid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_packed(target, name, grid, tmp_path, monkeypatch)


def test_the_price_of_a_byte_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of few pixels and many weights, whose expansion costs most."""
    from n2uqc.backends.cpu.choose import choose
    from n2uqc.backends.cpu.grouping import schedule

    program = conv_program(weights("two bits", (256, 3, 3, 256)), 7, 2, pads=(1, 1, 1, 1))
    (group,) = schedule(program).groups
    vectors = model.Vectors(16, 32, frozenset({"neon", "many-vectors", "dotprod"}))
    fast = choose(group, program, replace(vectors, byte=0.0)).offer
    usual = choose(group, program, vectors).offer
    assert usual.size < fast.size / 6 and usual.instructions < 1.3 * fast.instructions


def test_a_byte_costs_where_weights_leave_the_cache() -> None:
    small, large = (
        conv_program(weights("two bits", (n, 3, 3, n)), 3, 2, pads=(1, 1, 1, 1)) for n in (16, 192)
    )
    vectors = model.Vectors(16, 32, frozenset({"neon", "many-vectors"}))
    assert model.byte_price(small, vectors) < 0.1 < model.byte_price(large, vectors)
    ends = [conv_program(np.ones((n, 1, 1, 512), np.int64), 1, 2) for n in (512, 513)]
    assert [model.byte_price(program, vectors) for program in ends] == [0.05, 0.4]
    on_x86 = model.Vectors(32, 16, frozenset({"avx2"}))
    assert [model.byte_price(program, on_x86) for program in ends] == [0.05, 0.2]
