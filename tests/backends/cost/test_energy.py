"""Energy of multiply-accumulates in other number systems, and how parts add up."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from n2uqc.backends.cost.energy import Energy, add, compare, mac, multiply, read
from n2uqc.backends.cost.technology import TRANSISTORS

DIRECT = dict(TRANSISTORS["direct"].points)
OTHERS = sorted(TRANSISTORS.keys() - {"direct"})


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize(
    ("a", "w", "measured"),
    [(1, 1, 4), (1, 2, 4), (2, 2, 4), (3, 3, 9), (4, 4, 16), (2, 8, 16), (8, 8, 16), (5, 4, 16)],
)
def test_a_number_system_costs_its_share_of_transistors(
    kind: str, a: int, w: int, measured: int
) -> None:
    """Beyond the products that were measured, the share is that of the nearest one."""
    share = dict(TRANSISTORS[kind].points)[measured] / DIRECT[measured]
    assert mac(kind, a, w, 20) == pytest.approx(share * (multiply(a, w) + add(20)))


@pytest.mark.parametrize("kind", OTHERS)
def test_shares_between_measured_products(kind: str) -> None:
    """Both numbers of transistors lie on the line between theirs."""
    own = dict(TRANSISTORS[kind].points)
    found = mac(kind, 13, 1, 12) / mac("direct", 13, 1, 12)  # 13 is 4 sevenths of 9 .. 16
    line = [points[9] + (points[16] - points[9]) * 4 / 7 for points in (own, DIRECT)]
    assert found == pytest.approx(line[0] / line[1])


def test_forms_of_the_design_itself() -> None:
    """Forms of a codebook are the codebook's; products in blocks are direct ones."""
    direct = multiply(3, 2) + add(14)
    for kind in ("direct", "fixed", "products", "packed"):
        assert mac(kind, 3, 2, 14) == pytest.approx(direct)
    for kind in ("codebook planes", "codebook products", "codebook table", "codebook symmetric"):
        assert mac(kind, 3, 2, 14) == mac("codebook", 3, 2, 14)
    assert mac("lqnets", 3, 2, 14) == mac("planes", 3, 2, 14) < direct


@pytest.mark.parametrize(
    ("found", "picojoules"),
    [
        (add(8), 0.025), (add(32), 0.1), (compare(16), 0.05), (read(64), 10), (read(1), 0.15625),
        (multiply(8, 8), 0.2), (multiply(32, 32), 3.1), (multiply(4, 16), 0.2021),
    ],
)  # fmt: skip
def test_published_figures(found: float, picojoules: float) -> None:
    assert found == pytest.approx(picojoules, rel=0.01)


def test_parts_add_up() -> None:
    """Memory is reads of weights, activations and tables."""
    parts, more = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0), (0.5, 0.25, 3.0, 5.0, 7.0, 9.0)
    energy = Energy(*parts)
    assert (energy.total, energy.memory) == (63.0, 4.0 + 16.0 + 32.0)
    assert astuple(energy + Energy(*more)) == tuple(a + b for a, b in zip(parts, more, strict=True))
    assert Energy().total == 0.0
