"""Estimates what a network costs as hardware, by the way its activations are quantized.

For every layer: multipliers, adders, comparators, LUT, FF, DSP and BRAM, memory bits, cycles and
energy, under uniform requantization (multiply and shift, or thresholds), N2UQ comparison tables,
and nonuniform output levels.  Resources are counted from the hardware's one description, the same
that `compile --target fpga` writes; every assumption is printed.  With --synthesize, yosys checks
the counts engine by engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.console.files import UserError, require_writable
from n2uqc.console.folding import add_folding, read_design
from n2uqc.console.model import add_precision, open_program
from n2uqc.console.progress import progress, wide_console, working
from n2uqc.frontend.escape import json_text, plain

if TYPE_CHECKING:
    from rich.console import Console

    from n2uqc.backends.cost import Comparison

HELP = "hardware cost: uniform, N2UQ and nonuniform quantizers compared"
EXAMPLES = """\
examples:
  n2uqc cost net.onnx
  n2uqc cost net2bit.onnx net4bit.onnx --html cost.html
  n2uqc cost net.onnx --technology ecp5 --target-cycles 20000 --json
  n2uqc cost net.onnx --target-fps 5000 --synthesize
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "models",
        metavar="MODEL",
        type=Path,
        nargs="+",
        help="ONNX files, or programs saved by `n2uqc compile --target program`",
    )
    parser.add_argument(
        "--html", metavar="F.html", type=Path, help="write a self-contained page with plots"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--technology",
        metavar="NAME",
        help="FPGA family: xc7 (AMD 7 series), xcup (AMD UltraScale+), ecp5 or ice40 (Lattice) "
        "(the device's, else xc7)",
    )
    parser.add_argument(
        "--synthesize",
        action="store_true",
        help="run yosys on every engine of the datapath and "
        "print its LUT, FF, carry, DSP and block RAM beside what was counted (needs n2uqc[rtl])",
    )
    add_folding(parser)
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.backends.cost import compare

    if options.html is not None:
        require_writable(options.html)
    if options.folding is not None and len(options.models) > 1:
        raise UserError("--folding belongs to one model; compare several without it")
    comparisons, designs, synthesized = [], [], []
    with progress(len(options.models), "compiling and counting") as advance:
        for model in options.models:
            options.model = model
            program = open_program(options)
            design = read_design(options, program)
            comparisons.append(compare(design, name=plain(model.stem)))
            advance(1)
            designs.append((model.stem, design))
    if options.synthesize:
        from n2uqc.console.synthesis import synthesize_model

        synthesized = [synthesize_model(name, design) for name, design in designs]
    if options.html is not None:
        from n2uqc.backends.report import write_html

        with working("drawing the page"):
            write_html(comparisons, options.html)
    if options.json:
        from n2uqc.backends.report import to_json

        data = to_json(comparisons) | ({"synthesis": synthesized} if synthesized else {})
        print(json_text(data), end="")
    else:
        print_costs(comparisons)
        for rows in synthesized:
            from n2uqc.console.synthesis import print_synthesis

            print_synthesis(rows)
        if options.html is not None:
            print(f"wrote {plain(options.html)}")
    return 0


def print_costs(comparisons: Sequence[Comparison], console: Console | None = None) -> None:
    """Print the comparison's tables, findings and assumptions."""
    from n2uqc.backends.report import render_table

    console = console or wide_console()
    for part in render_table(comparisons):
        console.print(part)
