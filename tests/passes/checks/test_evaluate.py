"""Deviations: which codes are flips, which nobody can decide, and which an error may flip."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes.checks.evaluate import Deviation, LayerFlips, _channels, _count, agreement
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Quantize


def quantizer(*rows: tuple[int | Fraction, ...], scale: int | Fraction = 1) -> Quantize:
    table = tuple(tuple(Surd.of(t) for t in row) for row in rows)
    return Quantize(
        output="q", inputs=("a",), thresholds=table, input_scale=Surd.of(scale), strict=True,
        step=Surd.of(1), bits=2,
    )  # fmt: skip


def counted(
    op: Quantize, x: list[float], want: list[int], got: list[int], error: float
) -> LayerFlips:
    row = LayerFlips("q")
    values = np.array(x).reshape(-1, 1, 1, 1)
    codes = (np.array(v).reshape(values.shape) for v in (want, got))
    _count(row, op, values, *codes, error)
    return row


def test_flips_and_what_is_undecided() -> None:
    """A code too near a threshold to decide is no flip; others are, wherever they lie."""
    op = quantizer((-1, 2))
    near = 1e-12
    row = counted(
        op, [2 + near, 2 - near, -1 - near, 0.0, 1.9, -5.0], [2, 1, 0, 1, 1, 0],
        [1, 1, 1, 1, 2, 1], 0.0,
    )  # fmt: skip
    assert (row.codes, row.undecided, row.flips, row.within_error) == (6, 3, 2, 0)
    assert row.rate == 2 / 6
    assert LayerFlips("q").rate == 0


@pytest.mark.parametrize("scale", [1, 4, -4, Fraction(1, 4)])
def test_what_an_error_may_flip(scale: int | Fraction) -> None:
    """Values within the error of a threshold, both in the units of what is compared."""
    op = quantizer((-8, 16), scale=scale)
    edges = [-8 / float(scale), 16 / float(scale)]
    x = [*edges, edges[0] + 0.09, edges[1] - 0.09, edges[1] + 0.11, edges[0] - 0.11]
    row = counted(op, x, [0] * 6, [0] * 6, 0.1)
    assert (row.within_error, row.undecided, row.flips) == (4, 2, 0)
    assert counted(op, x, [0] * 6, [0] * 6, 0.0).within_error == 0


def test_thresholds_of_channels() -> None:
    """Each channel has its own; those of channels that a program has dropped are left out."""
    op = quantizer((0,), (5,), (9,))
    row = LayerFlips("q")
    x = np.array([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [9.0, 9.0, 1.0]]).reshape(3, 1, 1, 3)
    _count(row, op, x, np.zeros(x.shape, int), np.ones(x.shape, int), 1.5)
    assert (row.codes, row.undecided, row.flips, row.within_error) == (9, 2, 7, 2)
    assert _channels(op, [2, 0]).thresholds == (op.thresholds[2], op.thresholds[0])
    one = quantizer((0, 1))
    assert _channels(one, [2, 0]) is one


def test_agreement_of_outputs() -> None:
    a = {"y": np.array([[1.0, 3.0], [5.0, 2.0], [0.0, 1.0]]).reshape(3, 1, 1, 2)}
    b = {"y": np.array([[1.0, 3.5], [4.0, 4.5], [0.0, 1.0]]).reshape(3, 1, 1, 2)}
    assert agreement(a, b) == (2, 2.5 / 4.5)
    assert agreement(a, a) == (3, 0.0)
    indices = {"k": np.array([[1, 2], [3, 4], [5, 6]])}
    others = {"k": np.array([[1, 2], [3, 5], [5, 6]])}
    assert agreement({**a, **indices}, {**a, **others}) == (2, 0.0)
    assert agreement(indices, others) == (2, 0.0)
    zero = {"y": np.zeros((3, 1, 1, 2))}
    assert agreement(zero, zero) == (3, 0.0)


def test_a_report() -> None:
    rows = [LayerFlips("a", codes=10), LayerFlips("b", codes=30, flips=4), LayerFlips("c", 10, 6)]
    report = Deviation(7, rows, 5, 0.25, 0.5, {}, {})
    assert report.flip_rate == 10 / 50
    assert report.first is rows[1]
    found = report.as_json()
    assert {k: v for k, v in found.items() if k != "layers"} == {
        "samples": 7, "flip_rate": 0.2, "top1_agreement": 5, "relative_logit_error": 0.25,
        "logit_error_bound": 0.5, "first_flip": "b",
    }  # fmt: skip
    assert [row["layer"] for row in found["layers"]] == ["a", "b", "c"]
    empty = Deviation(0, [], 0, 0.0, 0.0, {}, {})
    assert (empty.flip_rate, empty.first, empty.as_json()["first_flip"]) == (0, None, None)
