"""Ranges of accumulators, and of the partial sums of packed kernels, by brute force."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.program import (
    Constant,
    Conv,
    Interface,
    IntType,
    Program,
    accumulators,
    run,
    steps_between_drains,
)
from n2uqc.passes.program.types import limits_of
from tests.properties.programs import programs


def reachable(weight: np.ndarray, lo: int, hi: int, run: int, products: int) -> tuple[int, int]:
    """Extremes of all partial sums of any run of steps, in any order, over all inputs."""
    sums = {0}
    for row in weight:
        for start in range(0, len(row), products):
            terms = row[start : start + run * products].tolist()
            for count in range(len(terms) + 1):
                for chosen in combinations(terms, count):
                    for x in product((lo, hi), repeat=count):
                        sums.add(sum(w * v for w, v in zip(chosen, x, strict=True)))
    return min(sums), max(sums)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from((1, 2, 4)),
    st.integers(-4, 4),
    st.integers(0, 7),
    st.integers(3, 8),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_steps_are_safe_and_as_many_as_can_be(
    seed: int, rows: int, taps: int, products: int, lo: int, span: int, bits: int, signed: bool
) -> None:
    weight = np.random.default_rng(seed).integers(-7, 8, (rows, taps))
    steps = steps_between_drains(weight, lo, lo + span, bits, signed=signed, products=products)
    bottom, top = limits_of(bits, signed)
    total = -(-taps // products)
    assert 0 <= steps <= total
    least, greatest = reachable(weight, lo, lo + span, steps, products)
    assert bottom <= least and greatest <= top
    if steps < total:
        least, greatest = reachable(weight, lo, lo + span, steps + 1, products)
        assert not (bottom <= least and greatest <= top)


def test_steps_of_known_kernels() -> None:
    worst = np.full((64, 4608), 3)  # 2-bit weights and codes: 9 a product
    assert steps_between_drains(worst, 0, 3) == 32767 // 9
    codes = (worst + 3) // 2  # w = 2u - 3: products of unsigned numbers, two a 16-bit word
    assert steps_between_drains(codes, 0, 3, 8, signed=False) == 255 // 9
    assert steps_between_drains(np.full((1, 8), 127), 0, 255, products=2) == 0  # VPMADDUBSW
    assert steps_between_drains(worst[:, :100], 0, 3) == 100
    assert steps_between_drains(np.tile([3, -3], (8, 5000)), 0, 3) == 2 * 3640  # actual weights
    # 28 - 28 + 28 fits 6 bits, but not if the negative product is added last.
    assert steps_between_drains([[7, -7, 7]], 4, 4, 6) == 2
    assert steps_between_drains([[-7, 7, -7]], 4, 4, 6) == 2
    assert steps_between_drains(np.zeros((4, 10)), -(2**20), 2**20) == 10
    assert steps_between_drains(np.full((16, 2, 9), 27), np.full((16, 1, 1), -12), 12) == 9
    assert steps_between_drains([[0, 0]], 0, 3, 1) == 2  # of 1 bit with a sign: 0 and -1
    for weight, hi in (([[2**40]], 2**40), ([[2**30] * 2, [-(2**30), 1]], -(2**31))):
        with pytest.raises(ValueError, match="62 bits"):
            steps_between_drains(weight, 0, hi)
    assert steps_between_drains([[2**30 - 1] * 2], 0, 2**31, 64) == 2


@given(programs())
@settings(max_examples=40, deadline=None)
def test_accumulators_hold_what_programs_reach(drawn: tuple[Program, np.ndarray]) -> None:
    program, x = drawn
    facts = accumulators(program)
    convs = [op for op in program.ops if isinstance(op, Conv)]
    assert set(facts) == {op.output for op in convs}
    run(program, x)  # the interpreter checks every tensor against its range
    for op in convs:
        fact, weight = facts[op.output], program.constants[op.weight].values
        assert fact.taps == weight[0].size and 0 <= fact.steps <= fact.taps
        low, high = limits_of(fact.bits, fact.signed)
        kind = program.types[op.output]
        assert low <= kind.lo and kind.hi <= high and fact.partial >= max(-kind.lo, kind.hi)
        assert fact.steps == fact.taps or fact.partial > 2**15 - 1


QONNX_TYPES = ("UINT8", "INT8", "UINT3", "INT3", "BIPOLAR", "TERNARY")


@pytest.mark.parametrize("size", [1, 10, 100])
@pytest.mark.parametrize("activation", QONNX_TYPES)
@pytest.mark.parametrize("weight", QONNX_TYPES)
def test_accumulator_ranges_are_those_of_qonnx(weight: str, activation: str, size: int) -> None:
    """The cases of QONNX's ``test_matvec_range``: every result lies inside; here also both ends
    are reached, and QONNX's own analysis gives the same."""
    basic = pytest.importorskip("qonnx.util.basic")
    types = pytest.importorskip("qonnx.core.datatype").DataType
    rng = np.random.default_rng(size)
    allowed = {"BIPOLAR": [-1, 1], "TERNARY": [-1, 0, 1]}
    ends = {name: (int(types[name].min()), int(types[name].max())) for name in QONNX_TYPES}
    values = {
        name: np.array(allowed.get(name, range(ends[name][0], ends[name][1] + 1)))
        for name in QONNX_TYPES
    }
    w = rng.choice(values[weight], (size, 1))
    lo, hi = ends[activation]
    op = Conv(output="y", inputs=("x",), weight="w")
    consts = {"w": Constant.narrow(np.ascontiguousarray(w.T[:, None, None, :]))}
    kind = op.infer({"x": IntType.ranged((1, 1, size), lo, hi)}, consts)
    assert (kind.lo, kind.hi) == basic.calculate_matvec_accumulator_range(w, types[activation])
    x = rng.choice(values[activation], (1000, 1, 1, size))
    x[0], x[1] = (np.where(w[:, 0] > 0, *pair) for pair in ((lo, hi), (hi, lo)))
    results = op.execute([x], consts)
    assert (results.min(), results.max()) == (kind.lo, kind.hi)


def test_accumulators_by_hand() -> None:
    """Channels of their own ranges, two groups, and codes outside the map."""
    weight = np.array([[[[3, -2]]], [[[5, 0]]], [[[-1, 7]]], [[[2, 2]]]])
    low, high = np.array([0, 1, -4, 2]), np.array([3, 6, 5, 2])
    x = IntType.of_rows((2, 2, 4), low, high)
    for pads, value in (((0, 0, 0, 0), 9), ((0, 0, 0, 1), 9), ((1, 0, 0, 0), -9)):
        op = Conv(output="y", inputs=("x",), weight="w", groups=2, pads=pads, pad_value=value)
        lo, hi = (low, high) if not any(pads) else (
            np.minimum(low, value), np.maximum(high, value)
        )  # fmt: skip
        kind = op.infer_integer({"x": x}, {"w": Constant.narrow(weight)})
        want = [
            sorted((w * int(lo[c]), w * int(hi[c])))
            for o, part in enumerate(weight.reshape(4, 2).tolist())
            for w, c in zip(part, (2 * (o // 2), 2 * (o // 2) + 1), strict=True)
        ]
        least, greatest = (
            [want[2 * o][k] + want[2 * o + 1][k] for o in range(4)] for k in range(2)
        )  # fmt: skip
        assert [row.tolist() for row in kind.channel_rows] == [least, greatest]
        b = Program(
            "p", Interface.single("x", (4, 2, 2), "y", (4, *kind.shape[:2])), ("x",), ("y",),
            {"x": IntType.ranged((2, 2, 4), -4, 6), "y": IntType.ranged(kind.shape, -99, 99)},
            (op,), {"w": Constant.narrow(weight)},
        )  # fmt: skip
        (fact,) = accumulators(b).values()
        far = max(6, 4, abs(value))
        assert (fact.bits, fact.signed, fact.taps, fact.steps) == (8, True, 2, 2)
        assert fact.partial == 8 * far


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_of_an_accumulator(steps: int) -> None:
    """Chunks of 16 bits: as many products as stay below 2**15."""
    weight = np.full((1, 1, 1, 4), 2**15 // steps // 2 - 1)
    op = Conv(output="y", inputs=("x",), weight="w")
    types = {"x": IntType.ranged((1, 1, 4), 0, 2)}
    constants = {"w": Constant.narrow(weight)}
    types["y"] = op.infer_integer(types, constants)
    face = Interface.single("x", (4, 1, 1), "y", (1, 1, 1))
    (fact,) = accumulators(Program("p", face, ("x",), ("y",), types, (op,), constants)).values()
    assert fact.steps == steps
