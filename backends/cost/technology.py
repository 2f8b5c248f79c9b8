"""Measured and published cost figures as data, with unit, source and range of validity."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

YOSYS = "yosys 0.23 and 0.70"


class Basis(IntEnum):
    """The basis of an estimate, most reliable first;
    a sum has the basis of its least reliable part.
    """

    MEASURED = 0  # a synthesized point
    FIT = 1  # a closed formula inside the range it was fitted on
    INTERPOLATED = 2  # between synthesized points
    MODEL = 3  # derived from the unit's structure, not synthesized
    EXTRAPOLATED = 4  # outside the range of the measurements

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Estimate:
    """A figure and its basis."""

    value: float
    basis: Basis


@dataclass(frozen=True)
class Curve:
    """Measured points (x ascending, y), with linear interpolation.

    Outside the points the last line is extended (never below half of the nearest measured figure),
    and the estimate is marked as extrapolated.
    """

    points: tuple[tuple[float, float], ...]

    def at(self, x: float) -> Estimate:
        """Return the figure at x."""
        xs = [p[0] for p in self.points]
        for px, py in self.points:
            if px == x:
                return Estimate(py, Basis.MEASURED)
        inside = xs[0] < x < xs[-1]
        if len(xs) == 1:
            return Estimate(self.points[0][1] * x / xs[0], Basis.EXTRAPOLATED)
        k = min(max(bisect_right(xs, x), 1), len(xs) - 1)
        (x0, y0), (x1, y1) = self.points[k - 1], self.points[k]
        value = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        if inside:
            return Estimate(value, Basis.INTERPOLATED)
        nearest = self.points[0][1] if x < xs[0] else self.points[-1][1]
        floor = nearest / 2 if x < xs[0] else nearest
        return Estimate(max(value, floor), Basis.EXTRAPOLATED)

    @property
    def reach(self) -> str:
        """The measured range of x, as text."""
        return f"{self.points[0][0]:g} to {self.points[-1][0]:g}"


@dataclass(frozen=True)
class Technology:
    """One FPGA family: figures of synthesis.

    Attributes:
        id, title: short name and displayed name.
        tool: synthesis tool and options.
        comparator: LUT of one comparator of a parallel threshold unit, by accumulator width.
        binary_comparator: LUT of one comparator of a binary search, by accumulator width.
        decode: LUT of a parallel unit besides the comparators (sum of the comparisons), by steps.
        mac: LUT of one lane of a 16-lane dot product with tree and accumulator, no DSP, by
            activation bits times weight bits; one curve per number system.
        codebook_dsp_lut: LUT of one codebook lane besides the DSP, by bits.
        requantizer: LUT of multiply, shift, round, clamp with DSPs, fixed shift, by accumulator
            width; one curve per multiplier width.
        requantizer_shift: the same with a 16-bit multiplier and one shift per channel.
        requantizer_no_dsp: the same with a 16-bit multiplier, fixed shift and no DSP.
        dsp_slice: bits of the wider and of the narrower signed operand of a DSP.
        rom_depth: one-bit entries that a LUT stores.
        stand_ins: kinds of MAC that were not synthesized for this family; the figures of another
            kind or family are used instead.
        area: the family whose formulas estimate the datapath's engines (``backends.fpga.area``).
    """

    id: str
    title: str
    tool: str
    comparator: Curve
    binary_comparator: Curve
    decode: Curve
    mac: Mapping[str, Curve]
    codebook_dsp_lut: Curve
    requantizer: Mapping[int, Curve]
    requantizer_shift: Curve
    requantizer_no_dsp: Curve
    dsp_slice: tuple[int, int]
    rom_depth: int
    stand_ins: frozenset[str] = frozenset()
    area: str = "xc7"


XC7 = Technology(
    id="xc7",
    title="AMD/Xilinx 7 series (xc7), synthesis only",
    tool=f"{YOSYS}, synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
    # 12 to 24: yosys 0.23; 8, 28 and 32: yosys 0.70 (remeasure.py), rounded to the fit N*c + decode
    comparator=Curve(((8, 6), (12, 8), (16, 12), (20, 14), (24, 16), (28, 19), (32, 22))),
    binary_comparator=Curve(((8, 4), (12, 8), (16, 12), (20, 14), (24, 16), (32, 18))),
    decode=Curve(((1, 0), (3, 1), (7, 3), (15, 8))),
    mac={
        "direct": Curve(((4, 13.4), (9, 19.6), (16, 42), (64, 194))),
        "planes": Curve(((4, 9.4), (9, 20), (16, 36))),
        "apot": Curve(((4, 13.3), (9, 24), (16, 47))),
        "lqnets": Curve(((4, 10.8), (16, 43))),
        "codebook": Curve(((4, 52), (9, 51), (16, 166))),
    },
    codebook_dsp_lut=Curve(((2, 20), (4, 29))),
    requantizer={16: Curve(((16, 11), (24, 16))), 32: Curve(((16, 32), (24, 84)))},
    requantizer_shift=Curve(((16, 109), (24, 136))),
    requantizer_no_dsp=Curve(((16, 721), (24, 984))),
    dsp_slice=(24, 17),
    rom_depth=64,
)

ECP5 = Technology(
    id="ecp5",
    title="Lattice ECP5 (LUT = LUT4 + 2 CCU2C)",
    tool="yosys 0.70, synth_ecp5 (-nodsp for the MACs)",
    comparator=Curve(((12, 12), (16, 16), (20, 20), (24, 24))),
    binary_comparator=Curve(((12, 12), (16, 16), (20, 20), (24, 24))),
    decode=Curve(((1, 0), (3, 1), (7, 4), (15, 10))),
    mac={
        "direct": Curve(((4, 27), (9, 52), (16, 92), (64, 438))),
        "planes": Curve(((4, 16), (9, 35), (16, 70))),
        "apot": Curve(((4, 21), (9, 41), (16, 89))),
        "lqnets": Curve(((4, 16), (9, 35), (16, 70))),
        "codebook": Curve(((4, 87), (9, 167), (16, 290))),
    },
    codebook_dsp_lut=Curve(((2, 20), (4, 29))),
    requantizer={16: Curve(((16, 14), (24, 36))), 32: Curve(((16, 44), (24, 96)))},
    requantizer_shift=Curve(((16, 603),)),
    requantizer_no_dsp=Curve(((16, 1540),)),
    dsp_slice=(17, 17),
    rom_depth=16,
    stand_ins=frozenset({"lqnets", "codebook-dsp"}),
    area="ecp5",
)

TECHNOLOGIES: Mapping[str, Technology] = {"xc7": XC7, "ecp5": ECP5}

BRAM18_SHAPES = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
"""(width, depth) of one 18-Kbit block: RAMB18E1 (UG473, table 1-8, 36 wide as simple dual port);
DP16KD of ECP5 has the same shapes."""

BRAM18_BITS = 18 * 1024

BRAM_FILLED = 0.25
"""A memory is placed in block RAM if it fills at least this share of the blocks, else in LUTs."""

TRANSISTORS: Mapping[str, Curve] = {
    "direct": Curve(((4, 4652), (9, 9782), (16, 15744))),
    "planes": Curve(((4, 3096), (9, 6720), (16, 11950))),
    "apot": Curve(((4, 3794), (9, 8394), (16, 15282))),
    "codebook": Curve(((4, 13958), (9, 42504), (16, 53730))),
}
"""CMOS transistors of 16-lane dot products (yosys ``stat -tech cmos``),
by activation x weight bits.
"""

SRAM_PJ_PER_BIT = 10.0 / 64.0
"""8 KiB SRAM, 10 pJ a 64-bit read, 45 nm (Horowitz, ISSCC 2014)."""


@dataclass(frozen=True)
class MeasuredEngine:
    """A whole convolution engine that was synthesized (xc7, yosys 0.23), 16 to 16 channels, 3x3."""

    simd: int
    pe: int
    bits: int
    lut: int


ENGINE_CHANNELS, ENGINE_FAN_IN = 16, 144

ENGINES = (
    MeasuredEngine(8, 8, 2, 1268),
    MeasuredEngine(16, 8, 2, 2794),
    MeasuredEngine(16, 16, 2, 4705),
    MeasuredEngine(8, 8, 4, 3927),
)
