"""Dot products of bytes: which instruction is exact, and how weights are packed for it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from n2uqc.backends.fpga import jit
from n2uqc.backends.fpga.engines.byte_dots import instruction, pack

AVX2, VNNI = ("+avx2",), ("+avx2", "+avx512f", "+avx512vnni")


def on(monkeypatch: pytest.MonkeyPatch, features: tuple[str, ...] | None) -> None:
    attributes = {} if features is None else {"mattr": features}
    monkeypatch.setattr(jit, "host_target", lambda: SimpleNamespace(attrs=attributes))


@pytest.mark.parametrize(
    ("greatest", "weight"),
    [(1, 1), (15, 15), (127, 127), (128, 127), (129, 127), (130, 127), (255, 64), (255, 65),
     (255, 127)],
)  # fmt: skip
def test_two_products_fit_what_maddubs_adds_them_in(
    monkeypatch: pytest.MonkeyPatch, greatest: int, weight: int
) -> None:
    """The sum of two products is a signed word of 16 bits."""
    on(monkeypatch, AVX2)
    fits = greatest * weight + greatest * weight <= np.iinfo(np.int16).max
    assert instruction(greatest, weight) == ("maddubs" if fits else "")
    on(monkeypatch, VNNI)
    assert instruction(greatest, weight) == "vnni"


def test_operands_are_bytes_and_instructions_those_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for greatest, weight in ((256, 1), (1, 128)):
        on(monkeypatch, VNNI)
        assert instruction(greatest, weight) == ""
    assert instruction(255, 127) == "vnni"
    for features in (None, (), ("+sse4.2",), ("+avx512vnni",), ("+avx512f",)):
        on(monkeypatch, features)
        assert instruction(3, 3) == ""


@pytest.mark.parametrize(
    ("outputs", "rows", "columns", "inputs", "lanes"),
    [(8, 1, 1, 4, 8), (5, 3, 2, 6, 8), (17, 2, 3, 1, 16), (32, 1, 2, 9, 16)],
)
def test_weights_by_vectors_taps_and_fours(
    outputs: int, rows: int, columns: int, inputs: int, lanes: int
) -> None:
    """Each weight where the kernel reads it, and zeros elsewhere."""
    rng = np.random.default_rng(outputs)
    weight = rng.integers(1, 128, (outputs, rows, columns, inputs))
    packed, vectors = pack(weight, lanes)
    fours = (inputs + 3) // 4
    assert vectors == (outputs + lanes - 1) // lanes
    assert len(packed) == vectors * rows * columns * fours * lanes * 4
    assert np.count_nonzero(packed) == weight.size
    for (o, r, c, i), value in np.ndenumerate(weight):
        tap = r * columns + c
        row = ((o // lanes * rows * columns + tap) * fours + i // 4) * lanes + o % lanes
        assert packed[4 * row + i % 4] == value
