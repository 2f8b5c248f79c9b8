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
from n2uqc.backends.cpu.kernels.gemm import Gemm, Plan, mla16
from n2uqc.frontend.diagnostics import CompileError

from .cases import check, conv_program, only

NEON = Vectors(16, 32, frozenset({"neon", "many-vectors"}))
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

    def plans(product: Gemm, vectors: Vectors, packing: bool) -> Iterator[Plan]:
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
