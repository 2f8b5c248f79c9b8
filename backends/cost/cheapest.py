"""The cheapest form of every dress on a device: of which the fullest resource is the emptiest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..fpga.hdl.families import Family
from ..fpga.hdl.terms import Cells
from ..search.devices import DEVICES, FpgaDevice
from .layer import LayerCost
from .quantizers import DRESSES

RESOURCES = ("lut", "ff", "dsp", "bram18")

USUAL: Mapping[str, str] = {
    "xc7": "xc7z020",
    "xcup": "xczu3eg",
    "ecp5": "ecp5-85",
    "ice40": "ice40up5k",
    "gowin": "gw2a-18",
}
"""The device of a family, unless one is given: its proportions decide."""


@dataclass(frozen=True)
class Cheapest:
    """The cheapest form of a dress.

    Attributes:
        id: of the alternative.
        device: name of the device.
        resource: of which it takes the largest share of what designs may fill.
        share: of it, 0 to 1 and above.
    """

    id: str
    device: str
    resource: str
    share: float


def usual_device(family: Family) -> FpgaDevice:
    """The device whose proportions stand for a family."""
    return DEVICES[USUAL[family.id]]


def cheapest(totals: Mapping[str, LayerCost], device: FpgaDevice) -> Mapping[str, Cheapest]:
    """The cheapest alternative of every dress.

    What a design takes is judged by the resource of which it takes the largest share, as this one
    decides whether and how fast it fits; shares of the others break ties.
    """
    found = {}
    for dress, names in DRESSES.items():
        name = min(names, key=lambda name: _rank(totals[name].resources, device))
        share, resource = _fullest(totals[name].resources, device)
        found[dress] = Cheapest(name, device.id, resource, share)
    return found


def _share(cells: Cells, resource: str, device: FpgaDevice) -> float:
    """Return the share of a device's resource; any use of one that it lacks is more than all."""
    return float(getattr(cells, resource)) / (device.room(resource) or 1e-6)


def _fullest(cells: Cells, device: FpgaDevice) -> tuple[float, str]:
    return max((_share(cells, resource, device), resource) for resource in RESOURCES)


def _rank(cells: Cells, device: FpgaDevice) -> tuple[float, float]:
    return _fullest(cells, device)[0], sum(_share(cells, r, device) for r in RESOURCES)
