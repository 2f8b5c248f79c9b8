"""Fixed-point convolutions by bytes: digits put together again, sums exact at all ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, run_artifact
from n2uqc.backends.cpu import choose
from n2uqc.backends.cpu.grouping import schedule, with_own_outputs
from n2uqc.backends.cpu.kernels import gemm, limbs
from n2uqc.backends.cpu.kernels.layer import Layer
from n2uqc.backends.cpu.kernels.limbs import digits_of, weight_digits
from n2uqc.backends.cpu.kernels.offer import cheapest
from n2uqc.passes.program import Conv, Program, run

from .kernels.cases import conv_program
from .test_fixed_point import CASES, convolution


@pytest.mark.parametrize(
    ("lo", "hi", "offset", "count"),
    [
        (-128, 127, 0, 1), (-129, 0, 128, 2), (-1, 128, 128, 2), (0, 128, 128, 1),
        (0, 255, 128, 1), (0, 256, 128, 2), (-1, 255, 128, 2), (-5, 127, 0, 1),
    ],
)  # fmt: skip
def test_a_byte_holds_the_numbers_around_zero_or_above_it(
    lo: int, hi: int, offset: int, count: int
) -> None:
    digits = digits_of(lo, hi)
    assert digits is not None
    assert (digits.offset, len(digits.ends)) == (offset, count)
    if count == 1:
        assert digits.ends == ((lo - offset, hi - offset),)


@given(st.integers(-(1 << 15), (1 << 15) - 1), st.integers(-(1 << 15), (1 << 15) - 1))
def test_digits_of_inputs_are_bytes(a: int, b: int) -> None:
    lo, hi = sorted((a, b))
    digits = digits_of(lo, hi)
    assert digits is not None
    for x in {lo, hi, (lo + hi) // 2, max(lo, min(hi, 0))}:
        if len(digits.ends) == 1:
            parts = [x - digits.offset]
        else:
            parts = [x >> 8, (x & 255) - 128]
        assert sum(p << 8 * k for k, p in enumerate(reversed(parts))) + digits.offset == x
        for part, (least, greatest) in zip(parts, digits.ends, strict=True):
            assert -128 <= least <= part <= greatest <= 127


def test_ranges_beyond_two_bytes_have_no_digits() -> None:
    assert digits_of(0, 1 << 15) is None
    assert digits_of(-(1 << 15) - 1, 0) is None


@given(st.lists(st.integers(-(1 << 15), (1 << 15) - 1), min_size=1, max_size=6))
def test_digits_of_weights_are_bytes(row: list[int]) -> None:
    weight = np.array([row, [0] * len(row)])
    cut = weight_digits(weight)
    if cut is None:  # no sign brings both ends within reach
        assert max(row) + 128 >= 1 << 15 and min(row) <= -(1 << 15) + 128
        return
    parts, signs = cut
    assert parts.min() >= -128 and parts.max() <= 127
    whole = sum(part << 8 * k for k, part in enumerate(parts[::-1])) * signs[:, None]
    np.testing.assert_array_equal(whole, weight)


_FITTING = [name for name, case in CASES.items() if case["bits"] <= 16]


def kernel_of(program: Program, target: str) -> str:
    """Return the name of the kernel that computes the program's first operation."""
    program, vectors = with_own_outputs(program), find_target(target).processor.vectors
    return choose.choose(schedule(program).groups[0], program, vectors).kernel.name


@pytest.fixture
def no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice among kernels is not the subject here."""
    monkeypatch.setitem(choose.TABLE, Conv, limbs.KERNELS)


@pytest.mark.usefixtures("no_other")
@pytest.mark.parametrize("name", _FITTING)
def test_dot_products_of_digits(name: str, tmp_path: Path) -> None:
    case = CASES[name] | {"extreme": False, "weight_bits": min(CASES[name]["weight_bits"], 15)}
    program, x = convolution(2, **case)
    folder = compile_program(program, "aarch64+dotprod").save(tmp_path / "net")
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))


def test_the_choice_for_large_maps() -> None:
    case = {
        "bits": 16,
        "weight_bits": 15,
        "size": 64,
        "channels": 3,
        "out": 64,
        "kernel": 7,
        "stride": 2,
    }
    program, _ = convolution(1, **case)
    assert kernel_of(program, "aarch64") == "fixed-point convolution"
    assert kernel_of(program, "aarch64+i8mm") == "fixed-point convolution by bytes"


def test_weights_at_both_ends_are_left_to_other_kernels() -> None:
    program, _ = convolution(2, **CASES["largest weights"])
    assert kernel_of(program, "aarch64+dotprod") == "fixed-point convolution"


@pytest.mark.usefixtures("no_other")
def test_matrix_products_of_digits(tmp_path: Path) -> None:
    program, x = convolution(
        3, bits=16, weight_bits=16, size=5, channels=3, out=6, kernel=3, stride=2
    )
    folder = compile_program(program, "aarch64+i8mm").save(tmp_path / "net")
    np.testing.assert_array_equal(run_artifact(folder, x[:3]), run(program, x[:3]))


def test_products_of_wider_numbers_are_none_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However cheap they are."""

    def cheap(micro: gemm.Micro) -> gemm.Micro:
        return gemm.Micro(
            micro.name,
            lambda product, vectors: (
                replace(plan, instructions=plan.instructions * (1 if plan.left == "int8" else 1e-6))
                for plan in micro.plans(product, vectors)
            ),
        )

    monkeypatch.setattr(gemm, "MICROS", tuple(map(cheap, gemm.MICROS)))
    program, _ = convolution(2, **CASES["8-bit input"] | {"weight_bits": 12})
    op = next(op for op in program.ops if isinstance(op, Conv))
    vectors = find_target("aarch64+dotprod").processor.vectors
    chosen = cheapest(limbs.plans(Layer.of(op, program), vectors), vectors)
    assert chosen is not None
    assert (chosen.products.left, chosen.products.correction) == ("int8", None)


@pytest.mark.parametrize(
    ("fits", "target", "bits", "weight", "options"),
    [
        (True, "aarch64+dotprod", 16, 1000, {}),
        (True, "aarch64+i8mm", 12, 100, {"stride": (2, 1), "dilation": (2, 1)}),
        (True, "aarch64+dotprod", 8, 1000, {}),
        (False, "aarch64+dotprod", 8, 100, {}),  # bytes by bytes: one matrix product
        (False, "aarch64+dotprod", 17, 100, {}),
        (False, "aarch64+dotprod", 16, (1 << 15) - 1, {}),
        (False, "aarch64+dotprod", 16, 1000, {"dilation": (1, 2)}),
        (False, "aarch64+dotprod", 16, 1000, {"groups": 2}),
        (False, "aarch64", 16, 1000, {}),
    ],
)
def test_layers_that_digits_can_compute(
    fits: bool, target: str, bits: int, weight: int, options: dict[str, object]
) -> None:
    weights = np.full((4, 3, 3, 2), -weight)
    weights[:, 0] = weight  # both ends in every output
    program = conv_program(weights, 7, bits, signed=True, **options)
    op = next(op for op in program.ops if isinstance(op, Conv))
    vectors = find_target(target).processor.vectors
    assert bool(list(limbs.plans(Layer.of(op, program), vectors))) == fits
