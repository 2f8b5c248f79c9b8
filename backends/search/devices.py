"""FPGAs by name, with their resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..fpga.hdl.families import ECP5, GOWIN, ICE40, XC7, XCUP, Family

FILL: Mapping[str, float] = {"lut": 70, "ff": 50, "dsp": 80, "bram18": 80}
"""Percent of a device that a design may take: above, place and route often miss the clock."""


@dataclass(frozen=True)
class FpgaDevice:
    """An FPGA.

    Attributes:
        id: short name.
        part: as its maker calls it, with boards that carry it.
        family: whose cells it has.
        lut, ff, dsp, bram18: what it holds; blocks of RAM of 18 Kbit, of iCE40 of 4 Kbit.
        source: the data sheet.
        fill: percent of every resource that a design may take; None for those of ``FILL``.
    """

    id: str
    part: str
    family: Family
    lut: int
    ff: int
    dsp: int
    bram18: int
    source: str
    fill: float | None = None

    def holds(self, resource: str) -> int:
        """Return its amount of ``lut``, ``ff``, ``dsp`` or ``bram18``."""
        return int(getattr(self, resource))

    def share(self, resource: str) -> float:
        """Return the percent of a resource that a design may take."""
        return FILL[resource] if self.fill is None else self.fill

    def room(self, resource: str) -> int:
        """Return how much of a resource a design may take."""
        return int(self.holds(resource) * self.share(resource) / 100)


_SEVEN, _ZYNQ = "DS180, 7 Series FPGAs Overview", "DS190, Zynq-7000 SoC Overview"
_MPSOC, _ECP5 = "DS891, Zynq UltraScale+ MPSoC Overview", "FPGA-DS-02012, ECP5 Family"

# Numbers of the data sheets.  Checked against what tools print: Vivado's utilization report of an
# XC7A35T (enjoy-digital/litex issue 132: 20800 LUTs, 41600 registers), nextpnr's of the ECP5
# (YosysHQ/prjtrellis issues 189 and 264: 24288 and 83640 LUT4s, 208 DP16KD, 156 MULT18X18D;
# 56 and 28 of the LFE5U-25F), Lattice's selection guides (LFE5U-45F: 108 blocks, 72 multipliers;
# iCE40HX8K: 7680 cells, 32 RAM4K; UP5K: 5280 cells, 30 blocks, 8 SB_MAC16), and the tables of FINN
# (finn/util/platforms.py: XC7Z020 53200 LUTs, 280 BRAM18, 220 DSPs; XCZU3EG and XCZU9EG within
# 1% but for 20 BRAM18 fewer on the former; it counts 1.5 million of the U250's LUTs, as its shell
# takes the rest).
DEVICES: Mapping[str, FpgaDevice] = {
    d.id: d
    for d in (
        FpgaDevice("xc7a35t", "Artix-7 XC7A35T (Arty A7)", XC7, 20800, 41600, 90, 100, _SEVEN),
        FpgaDevice("xc7a50t", "Artix-7 XC7A50T", XC7, 32600, 65200, 120, 150, _SEVEN),
        FpgaDevice(
            "xc7a100t", "Artix-7 XC7A100T (Arty A7-100)", XC7, 63400, 126800, 240, 270, _SEVEN
        ),
        FpgaDevice(
            "xc7a200t", "Artix-7 XC7A200T (Nexys Video)", XC7, 134600, 269200, 740, 730, _SEVEN
        ),
        FpgaDevice("xc7z010", "Zynq XC7Z010 (Zybo)", XC7, 17600, 35200, 80, 120, _ZYNQ),
        FpgaDevice(
            "xc7z020", "Zynq XC7Z020 (PYNQ-Z1, ZedBoard)", XC7, 53200, 106400, 220, 280, _ZYNQ
        ),
        FpgaDevice("xc7z045", "Zynq XC7Z045 (ZC706)", XC7, 218600, 437200, 900, 1090, _ZYNQ),
        FpgaDevice(
            "xczu3eg", "Zynq UltraScale+ XCZU3EG (Ultra96)", XCUP, 70560, 141120, 360, 432, _MPSOC
        ),
        FpgaDevice(
            "xczu9eg", "Zynq UltraScale+ XCZU9EG (ZCU102)", XCUP, 274080, 548160, 2520, 1824, _MPSOC
        ),
        FpgaDevice(
            "xcu250", "Alveo U250", XCUP, 1728000, 3456000, 12288, 5376, "DS962, Alveo U200/U250"
        ),
        FpgaDevice("ecp5-25", "ECP5 LFE5U-25F", ECP5, 24288, 24288, 28, 56, _ECP5),
        FpgaDevice("ecp5-45", "ECP5 LFE5U-45F", ECP5, 43848, 43848, 72, 108, _ECP5),
        FpgaDevice("ecp5-85", "ECP5 LFE5U-85F (ULX3S)", ECP5, 83640, 83640, 156, 208, _ECP5),
        # blocks of 4 Kbit, counted as they are
        FpgaDevice(
            "ice40hx8k", "iCE40HX8K", ICE40, 7680, 7680, 0, 32, "FPGA-DS-02029, iCE40 LP/HX Family"
        ),
        FpgaDevice(
            "ice40up5k",
            "iCE40UP5K (iCEBreaker)",
            ICE40,
            5280,
            5280,
            8,
            30,
            "FPGA-DS-02008, iCE40 UltraPlus Family",
        ),
        FpgaDevice(
            "gw2a-18", "Gowin GW2A-18 (Tang Nano 20K)", GOWIN, 20736, 15552, 48, 46, "DS102, GW2A"
        ),
    )
}
"""All devices by short name."""


def device_listing() -> str:
    """Return a line per device: its name, part, family and resources."""
    title = f"{'device':11}{'family':8}{'LUT':>10}{'FF':>10}{'DSP':>7}{'BRAM18':>8}  part"
    rows = [
        f"{d.id:11}{d.family.id:8}{d.lut:10,}{d.ff:10,}{d.dsp:7,}{d.bram18:8,}  {d.part}"
        for d in DEVICES.values()
    ]
    return "\n".join([title, *rows])


def find_device(name: FpgaDevice | str, fill: float | None = None) -> FpgaDevice:
    """Return a device by name.

    Args:
        name: its name, or the device itself, which keeps its ``fill`` if none is given.
        fill: percent of every resource that a design may take.

    Raises:
        CompileError: the name is not known, or ``fill`` is no percentage.
    """
    if fill is not None:
        if not 0 < fill <= 100:
            raise CompileError(
                Problem("", "", f"a fill of {fill:g}%", "more than 0 and at most 100 percent")
            )
        return replace(find_device(name), fill=float(fill))
    if isinstance(name, FpgaDevice):
        return name
    if name not in DEVICES:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"there is no device {name!r}",
                supported="; ".join(f"{d.id} ({d.part})" for d in DEVICES.values()),
            )
        )
    return DEVICES[name]
