"""The form of each dress that takes the least of what is scarce on a device is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from n2uqc.backends.cost import DRESSES, compare
from n2uqc.backends.cost.cheapest import cheapest, usual_device
from n2uqc.backends.fpga.hdl.families import FAMILIES

from .networks import residual


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [2, 4])
def test_no_form_of_a_dress_fills_a_device_less(family: str, bits: int) -> None:
    c = compare(residual(bits, (16,)), technology=family)
    device = usual_device(FAMILIES[family])
    for dress, names in DRESSES.items():
        taken = {}
        for name in names:
            cells = c.totals[name].resources
            rooms = {"lut": 70, "ff": 50, "dsp": 80, "bram18": 80}
            taken[name] = max(
                getattr(cells, r) / (getattr(device, r) * percent // 100)
                for r, percent in rooms.items()
            )
        named = c.cheapest[dress]
        assert taken[named.id] == min(taken.values()) == named.share
        assert named.device == device.id


def test_the_device_decides() -> None:
    totals = compare(residual(4, (16,))).totals
    device = usual_device(FAMILIES["xc7"])
    many, none = replace(device, lut=5000, dsp=5000), replace(device, dsp=0)
    assert cheapest(totals, many)["n2uq"].id == "n2uq-packed"
    assert cheapest(totals, many)["codebook"].id == "codebook-dsp"
    assert cheapest(totals, none)["n2uq"].id != "n2uq-packed"
    assert cheapest(totals, none)["codebook"].id != "codebook-dsp"
    packed, own = totals["n2uq-packed"].mac, totals["n2uq"].mac
    assert packed.dsp > own.dsp and packed.lut < 0.6 * own.lut


def test_symmetric_levels_with_a_zero_take_fewer_planes() -> None:
    """Three counts up and down in place of 9 at 2 bits: near N2UQ's bit planes, as measured."""
    totals = compare(residual(2, (16,))).totals
    low = {name: totals[name].mac.lut for name in ("n2uq", "codebook", "codebook-symmetric")}
    assert low["n2uq"] < low["codebook-symmetric"] < 0.7 * low["codebook"]
