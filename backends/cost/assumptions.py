"""The assumptions of the cost model, as records that are printed under every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..fpga.folding import DEFAULT_LANES
from .quantizers import COEFFICIENT_BITS, REQUANTIZER_BITS
from .technology import (
    BRAM_FILLED,
    ENGINE_CHANNELS,
    ENGINE_FAN_IN,
    ENGINES,
    SRAM_PJ_PER_BIT,
    XC7,
    MeasuredEngine,
    Technology,
)
from .units.mac import LEVEL_BITS, MacShape, low_bit_array
from .units.requantizer import BIAS_BITS
from .units.thresholds import Table, cheapest

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


def assumptions(technology: Technology) -> tuple[Assumption, ...]:
    """Return the assumptions for a family, in the order of the tables."""
    return (*_synthesis(technology), *_structure(technology), *_fairness(), *_energy())


def _curve(technology: Technology, kind: str) -> str:
    points = technology.mac[kind].points
    names = {4: "2", 9: "3", 16: "4", 64: "8"}
    return ", ".join(f"{y:g} at {names.get(int(x), f'{x:g}')} bit" for x, y in points)


def _synthesis(t: Technology) -> tuple[Assumption, ...]:
    shared = f"{OWN}, tool and options as under family"
    widths = ", ".join(f"{y:g} at W={x:g}" for x, y in t.comparator.points)
    parallel_fit, binary_fit = {
        "xc7": (
            "exact for W 12 to 24, within 10% at 8, 28, 32",
            "within 2.5% of 12 synthesized units (W 12 to 24)",
        ),
        "ecp5": ("exact at W=16", "within 2% of 3 synthesized units (W=16)"),
    }.get(t.id, ("", ""))
    return (
        Assumption(
            "family",
            "Resources are those of synthesis for one family; nothing is placed or "
            "routed, and no clock rate is claimed.",
            t.title,
            t.tool,
            "measured",
        ),
        Assumption(
            "tool-version",
            "The yosys version moves LUT counts by -30% to +15%: differences under 20% are ties.",
            "20%",
            f"{OWN}, yosys 0.23 against 0.70",
            "measured",
        ),
        Assumption(
            "thresholds-parallel",
            "N comparators of W bits and a sum: N*c(W) + decode(N), fitted "
            "on units of 2, 3, 4 bits; other numbers of steps are interpolated. Bounds known to "
            "be constant would be smaller.",
            f"c = {widths}; {parallel_fit}",
            shared,
            "fit",
        ),
        Assumption(
            "thresholds-binary",
            "log2(N+1) comparators, one memory a level of (channels a lane) "
            "* 2^level words, pipelined: one result per cycle, as the parallel unit. The cheaper "
            "form is taken, memory included.",
            binary_fit,
            shared,
            "fit",
        ),
        Assumption(
            "requantizer",
            f"Multiply-shift with a {REQUANTIZER_BITS}-bit multiplier and one shift "
            "a layer: the cheapest form that was synthesized. A 32-bit multiplier or a shift a "
            "channel costs more.",
            ", ".join(f"{y:g} LUT at W={x:g}" for x, y in t.requantizer[16].points)
            + f", 1 DSP up to W={t.dsp_slice[0] + 1}",
            shared,
            "measured",
        ),
        Assumption(
            "requantizer-no-dsp",
            "The same without DSP.",
            ", ".join(f"{y:g} LUT at W={x:g}" for x, y in t.requantizer_no_dsp.points),
            shared,
            "measured",
        ),
        Assumption(
            "mac-plain",
            "LUT per lane of a 16-lane dot with tree and accumulator, no DSP; the "
            "cheaper of a direct product and bit planes is taken, for N2UQ and uniform alike.",
            f"direct {_curve(t, 'direct')}; planes {_curve(t, 'planes')}",
            shared,
            "measured",
        ),
        Assumption(
            "mac-codebook",
            f"Arbitrary {LEVEL_BITS}-bit levels for weights and activations. The "
            "figure changes with the levels: a network trained with a codebook should be measured "
            "with its own.",
            f"{_curve(t, 'codebook')}; with DSP 1 DSP and 20 to 29 LUT"
            + (" (xc7)" if "codebook-dsp" in t.stand_ins else ""),
            shared,
            "measured",
        ),
        Assumption(
            "mac-apot",
            "Sums of powers of two by shift and add.",
            _curve(t, "apot"),
            shared,
            "measured",
        ),
        Assumption(
            "mac-lqnets",
            f"Bit planes (3 bit interpolated), and b_a*b_w multiplications by "
            f"{COEFFICIENT_BITS}-bit coefficients per output, in DSPs shared over the output's "
            "cycles.",
            _curve(t, "lqnets"),
            f"{OWN}, yosys 0.23"
            if "lqnets" not in t.stand_ins
            else "bit planes of N2UQ stand in: not synthesized for this family",
            "model" if "lqnets" in t.stand_ins else "measured",
        ),
    )


def _structure(t: Technology) -> tuple[Assumption, ...]:
    return (
        Assumption(
            "mac-simd",
            "Away from 16 lanes, the accumulator's share is taken out of the lane and "
            "put back once a PE. Unequal widths of weights and activations are read at the "
            "product of the widths.",
            "1 LUT per bit of accumulator",
            "structure",
            "model",
        ),
        Assumption(
            "mac-fixed",
            "Layers in fixed point (stem, head, float skips) multiply in DSPs, in "
            "every alternative alike.",
            f"{t.dsp_slice[0] + 1} x {t.dsp_slice[1] + 1} bit a DSP",
            "yosys mul2dsp tiling; equals the requantizers' DSP counts",
            "model",
        ),
        Assumption(
            "ff",
            "Registers that the structure needs: input word, adder tree and accumulator of "
            "each PE, operand and code at each search level, results.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "memory",
            f"Memories that fill {BRAM_FILLED:.0%} of 18-Kbit blocks go there, in the "
            "shape that takes fewest; smaller ones go to LUTs; a single word is wiring.",
            f"1 LUT per bit of {t.rom_depth} words",
            f"{OWN} of threshold ROMs; RAMB18E1 shapes of AMD UG473",
            "model",
        ),
        Assumption(
            "stream",
            "Requantization to the skip stream, sums, PReLU, clamps and pools are the "
            "same hardware in every alternative; sums and multiplexers 1 and 1/2 LUT per bit.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "left-out",
            "Control, window address logic, FIFOs between engines and those that "
            "hold the skip stream are not counted; they are alike in all alternatives (`compile "
            "--target fpga` and `--synthesize` count whole engines). Measured "
            "whole engines of 16 to 16 channels, 3x3 (SIMD x PE, bits: LUT): "
            + ", ".join(f"{e.simd}x{e.pe}, {e.bits}: {e.lut}" for e in ENGINES)
            + ".",
            "their MACs and thresholds by this model: "
            + ", ".join(f"{_engine(e):.0f}" for e in ENGINES),
            f"{OWN}, yosys 0.23, xc7",
            "measured",
        ),
        Assumption(
            "cycles",
            "(MH/PE) (MW/SIMD) V of each convolution, or the words of its input if those "
            "are more; one word per cycle elsewhere. The same in every alternative, whose units "
            "all take one operand per cycle. Lanes are those of the simulated datapath: each "
            "engine gets as few as keep up with the slowest.",
            f"default folding: at most {DEFAULT_LANES} multiply-accumulate lanes",
            "FINN-R (Blott et al., TRETS 2018); n2uqc's datapath simulator",
            "model",
        ),
    )


def _engine(engine: MeasuredEngine) -> float:
    """Return the model's LUTs for the MACs (direct products)
    and thresholds of a measured engine.
    """
    top = (1 << engine.bits) - 1
    width = (ENGINE_FAN_IN * top * top).bit_length() + 1
    shape = MacShape(engine.bits, engine.bits, width, engine.pe, engine.simd)
    lane = cheapest(Table(width, top, engine.bits), ENGINE_CHANNELS // engine.pe, XC7)
    return low_bit_array("direct", shape, XC7).lut + engine.pe * lane.resources.lut


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
            f"{OWN}, yosys 0.70 (remeasure.py)",
            "measured",
        ),
        Assumption(
            "prelu",
            "A PReLU whose slope is below zero makes a table go up and down: it takes up "
            "to twice the comparisons, in N2UQ and uniform thresholds alike (a ReLU network would "
            "not have them). There, multiply-shift is charged a comparison that selects between "
            "two sets of parameters; elsewhere it is charged as for ReLU, whose clamp is free.",
            "",
            "structure",
            "model",
        ),
        Assumption(
            "accumulators",
            "Every alternative keeps the accumulator width proven for this "
            "program, except codebooks, whose levels reach 255 and 127: they gain "
            f"{LEVEL_BITS} - b_a + {LEVEL_BITS - 1} - b_w bits. APoT and LQ-Nets would gain some "
            "too: this favors them.",
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
            "Only cost is compared. The alternatives are other networks with other "
            "accuracy; the one compiled here is N2UQ's.",
            "",
            "scope",
            "model",
        ),
        Assumption(
            "requantizer-parameters",
            "A multiplier and a bias per channel, a LUT per bit to the LUT's depth.",
            f"{REQUANTIZER_BITS} + {BIAS_BITS} bit",
            f"{OWN}: +32 LUT for 64 channels",
            "measured",
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
