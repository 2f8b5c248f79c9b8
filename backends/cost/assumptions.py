"""The assumptions of the cost model, as records that are printed under every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..fpga.folding import DEFAULT_LANES
from ..fpga.hdl.families import Family
from ..fpga.units.levels import COEFFICIENT_BITS, LEVEL_BITS
from .technology import SRAM_PJ_PER_BIT
from .uniform import BIAS_BITS, MULTIPLIER_BITS, NARROW_BITS

Kind = Literal["measured", "fit", "literature", "model"]

OWN = "own synthesis"


@dataclass(frozen=True)
class Assumption:
    """One assumption of the cost model.

    Attributes:
        id: short name.
        text: what is assumed.
        value: the figure; "" if the text is complete without.
        source: its source.
        kind: ``measured`` (synthesized), ``fit`` (closed form through measured points),
            ``literature`` or ``model`` (derived from the structure, not measured).
    """

    id: str
    text: str
    value: str
    source: str
    kind: Kind


def assumptions(family: Family) -> tuple[Assumption, ...]:
    """The records for a family, in the order of the tables."""
    return (*_counted(family), *_structure(), *_fairness(), *_energy())


def _counted(family: Family) -> tuple[Assumption, ...]:
    check = "python -m n2uqc.backends.fpga.measure"
    return (
        Assumption(
            "family",
            "Resources are counted from the hardware's one description, as synthesis maps it for "
            "one family; nothing is placed or routed, and no clock rate is claimed.",
            family.title,
            f"yosys 0.70, {family.script}; {check} holds the count against it",
            "model",
        ),
        Assumption(
            "tool-version",
            "The yosys version moves LUT counts by -30% to +15%: differences under 20% are ties.",
            "20%",
            f"{OWN}, yosys 0.23 against 0.70",
            "measured",
        ),
        Assumption(
            "thresholds",
            "Binary search, a comparison and a memory a level, or all comparisons at once: the "
            "smaller form, memory and control included.",
            "",
            "the design's own units",
            "model",
        ),
        Assumption(
            "requantizer",
            f"Multiply-shift with a multiplier of {MULTIPLIER_BITS} bits (narrow: {NARROW_BITS}) "
            f"and a bias of {BIAS_BITS} bits and more a channel, one shift a layer; or a scale "
            "that is a power of two. Multipliers and biases are drawn.",
            "",
            "the requantizer that this datapath has",
            "model",
        ),
        Assumption(
            "mac-plain",
            "The cheaper of direct products and bit planes, for N2UQ and uniform alike.",
            "",
            "the design's own units",
            "model",
        ),
        Assumption(
            "mac-packed",
            "Low-bit weights of several results side by side in one multiplier block, multiplied "
            "by codes from 0 on; the sum of the operands corrects for the constant. A search for a "
            "device takes this form where it relieves what is scarce; without a device the form "
            "of fewest blocks is taken.",
            "",
            "backends/fpga/units/packed.py",
            "model",
        ),
        Assumption(
            "mac-codebook",
            f"Arbitrary {LEVEL_BITS}-bit levels for weights and activations: products by "
            "multipliers, tabulated, or by bit planes, whatever takes fewest; sign-symmetric ones "
            "with a zero are counted up and down. The figure changes with the levels: a network "
            "trained with a codebook has its own.",
            "",
            "backends/fpga/units/rivals.py; python -m n2uqc.backends.cost.measure",
            "model",
        ),
        Assumption(
            "mac-apot",
            "Sums of powers of two by shift and add.",
            "",
            "backends/fpga/units/rivals.py",
            "model",
        ),
        Assumption(
            "mac-lqnets",
            f"Bit planes, and b_a*b_w multiplications by {COEFFICIENT_BITS}-bit coefficients an "
            "output, by multipliers shared over the output's cycles.",
            "",
            "backends/fpga/units/rivals.py",
            "model",
        ),
    )


def _structure() -> tuple[Assumption, ...]:
    return (
        Assumption(
            "shared",
            "Line buffers, weights, control, FIFOs, and what the wide stream needs (requantization "
            "to it, sums, PReLU, clamps, pools) are the same hardware in every alternative; FIFOs "
            "do not widen with accumulators.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "cycles",
            "(MH/PE) (MW/SIMD) V of each convolution, or the words of its input if those "
            "are more; one word per cycle elsewhere. The same in every alternative, whose units "
            "all take one operand per cycle. Lanes are those of the simulated datapath: each "
            "engine gets as few as keep up with the slowest.",
            f"default folding: at most {DEFAULT_LANES} multiply-accumulate lanes, and engines that "
            "fit a Zynq XC7Z020 to 70% of its LUTs and 80% of its DSPs and block RAM",
            "FINN-R (Blott et al., TRETS 2018); n2uqc's datapath simulator",
            "model",
        ),
    )


def _fairness() -> tuple[Assumption, ...]:
    return (
        Assumption(
            "uniform-thresholds",
            "A uniform quantizer with BatchNorm folded into thresholds is "
            "the same unit with other constants: same width, same number of comparisons, same "
            "memory.",
            "equal to N2UQ",
            "structure; FINN builds uniform quantizers so",
            "model",
        ),
        Assumption(
            "uniform-mac",
            "Uniform b-bit weights are given N2UQ's MAC: b-bit two's complement and "
            "odd b-bit codes synthesize alike in one style (xc7, LUT per lane, 2/3/4 bit).",
            "odd 16.6 / 26.1 / 47.5, uniform 16.5 / 30.4 / 49.8",
            f"{OWN}, yosys 0.70",
            "measured",
        ),
        Assumption(
            "prelu",
            "A PReLU whose slope is below zero makes a table go up and down: it takes up "
            "to twice the comparisons, in N2UQ and uniform thresholds alike (a ReLU network would "
            "not have them). There, other uniform quantizers are charged a PReLU of their own; "
            "elsewhere they are charged as for ReLU, whose clamp is free.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "accumulators",
            "Every alternative keeps the accumulator width proven for this "
            "program, except codebooks, whose levels reach 255 and 127: they gain "
            f"{LEVEL_BITS} - b_a + {LEVEL_BITS - 1} - b_w bits; and APoT and LQ-Nets, by their "
            "largest levels.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "evened",
            "A network whose levels are uneven is priced as compiled by its integers: levels are "
            "what is stored and multiplied. In other dresses its codes and the ranks of its "
            "weights stand in their place; FIFOs keep their widths.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "levels-quantizer",
            "Codebook, APoT and LQ-Nets activations are encoded by as many comparisons as N2UQ's.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "accuracy",
            "Between dresses of one network only cost is compared: each would have to be trained, "
            "with an accuracy of its own. Accuracy is measured of networks trained apart, as they "
            "were compiled.",
            "",
            "scope",
            "model",
        ),
    )


def _energy() -> tuple[Assumption, ...]:
    horowitz = "Horowitz, ISSCC 2014, 45 nm"
    return (
        Assumption(
            "energy-arithmetic",
            "Addition 0.003125*bits pJ; product 0.002995*a*b + "
            "0.00104*(a+b)/2 pJ; a comparison as an addition. Below 8 bits this extrapolates.",
            "8-bit product 0.2 pJ, 32-bit sum 0.1 pJ",
            f"QKeras fit (Coelho et al., 2021) through {horowitz}",
            "literature",
        ),
        Assumption(
            "energy-compare",
            "Another table gives a comparison less than taken here.",
            "0.029 pJ at 32 bit (here 0.1)",
            "Accelergy's 40 nm Aladdin table",
            "literature",
        ),
        Assumption(
            "energy-levels",
            "MACs of other number systems scale by the transistors of their "
            "16-lane dot against the direct one (LQ-Nets: bit planes, and its coefficients).",
            "2/3/4 bit: planes 0.67/0.69/0.76, APoT 0.82/0.86/0.97, codebook 3.0/4.3/3.4",
            f"{OWN}, yosys 0.70 stat -tech cmos",
            "model",
        ),
        Assumption(
            "energy-memory",
            "Every stored bit that is read (weights, line buffers, tables) costs "
            "as in an 8 KiB SRAM; memories of one word cost nothing. Small LUT memories would "
            "cost less.",
            f"{SRAM_PJ_PER_BIT:.3f} pJ per bit (10 pJ a 64-bit read)",
            horowitz,
            "literature",
        ),
        Assumption(
            "energy-scope",
            "Clock tree, leakage, DRAM and the host are left out: read ratios, not watts.",
            "",
            "scope",
            "model",
        ),
    )
