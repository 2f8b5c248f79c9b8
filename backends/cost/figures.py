"""What a design takes and computes: the same figures for `cost` and `compile --target fpga`."""

from __future__ import annotations

from dataclasses import asdict

from ..fpga.design import Design
from .counting import count_layers


def design_figures(design: Design) -> dict[str, int]:
    """Cells, multiply-accumulates and cycles of a design, ready for JSON.

    Returns:
        ``lut``, ``ff``, ``carry``, ``dsp``, ``bram18`` of the whole datapath, FIFOs included;
        ``macs`` of an image and ``low_bit_macs`` among them; ``cycles`` between two images.
    """
    macs = [layer.mac for layer in count_layers(design.program) if layer.mac]
    return {
        **asdict(design.resources),
        "macs": sum(mac.macs for mac in macs),
        "low_bit_macs": sum(mac.macs for mac in macs if mac.low_bit),
        "cycles": design.interval,
    }
