"""Estimates what a network costs as hardware, by the way its activations are quantized.

For every layer: multipliers, adders, comparators, LUT, FF, DSP and BRAM, memory bits, cycles and
energy, under uniform requantization (multiply and shift, or thresholds), N2UQ comparison tables,
and nonuniform output levels.  Resources are counted from the hardware's one description, the same
that `compile --target fpga` writes; every assumption is printed.  With --synthesize, yosys checks
the counts engine by engine.

One MODEL is shown in other dresses (--as chooses them): the same network with other quantizers and
levels, hardware only, without any claim on accuracy.  Several MODELs are networks trained apart:
each is costed as what it is.  With --data their accuracy is that of the integer program on labeled
images, and the front of accuracy against LUT, DSP, block RAM and cycles is marked.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.api.errors import UserError
from n2uqc.console.files import keep_inputs, require_writable
from n2uqc.console.folding import add_folding, read_design, read_device
from n2uqc.console.model import CHOICES, add_precision, opened
from n2uqc.console.progress import progress, wide_console, working
from n2uqc.frontend.escape import json_text, plain

if TYPE_CHECKING:
    from rich.console import Console

    from n2uqc.backends.cost import Comparison, Trained

HELP = "hardware cost: uniform, N2UQ and nonuniform quantizers compared"
EXAMPLES = """\
examples:
  n2uqc cost net.onnx
  n2uqc cost net.onnx --as uniform,n2uq,codebook
  n2uqc cost n2uq.onnx lsq.onnx apot.onnx --data test.npz --html cost.html
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
        "--as",
        dest="dresses",
        metavar="LIST",
        help="dresses in which one network is shown: uniform, n2uq, codebook, apot, lq (all)",
    )
    parser.add_argument(
        "--data",
        metavar="F.npz",
        type=Path,
        help="images and labels (arrays x and y, or images and labels; a label is the index of the "
        "right output) that the accuracy of each network is measured on",
    )
    parser.add_argument(
        "--processor",
        metavar="T",
        help="also compile each network for this ARM target, such as cortex-a72 or cortex-m4, and "
        "count instructions and estimated cycles of an image",
    )
    parser.add_argument(
        "--html",
        metavar="F.html",
        type=Path,
        help="write a self-contained page with plots, and its data beside it as F.json and F.csv",
    )
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
    from n2uqc.backends.cost import Trained, compare
    from n2uqc.console.accuracy import measure, read_labeled
    from n2uqc.console.effort import measure_effort
    from n2uqc.frontend.write import is_stream

    beside: tuple[Path, ...] = ()
    if options.html is not None:
        beside = tuple(options.html.with_suffix(end) for end in (".json", ".csv"))
        if is_stream(options.html):
            beside = ()
        else:
            options.html_json, options.html_csv = beside
            keep_inputs(options)
        for path in (options.html, *beside):
            require_writable(path)
    if options.folding is not None and len(options.models) > 1:
        raise UserError("--folding belongs to one model; compare several without it")
    dresses = chosen_dresses(options)
    data = None if options.data is None else read_labeled(options.data)
    networks, synthesized = [], []
    with progress(len(options.models), "compiling and counting") as advance:
        for model in options.models:
            options.model = model
            program = opened(options).program
            design = read_design(options, program)
            comparison = compare(
                design, name=plain(model.stem), dresses=dresses, device=read_device(options)
            )
            accuracy = None if data is None else measure(program, data, comparison.macs)
            effort = None
            if options.processor is not None:
                effort = measure_effort(program, options.processor)
            networks.append(Trained(comparison, accuracy, effort))
            advance(1)
    if options.synthesize:
        from n2uqc.console.synthesis import synthesize_model

        synthesized = [
            synthesize_model(model.stem, network.comparison.design)
            for model, network in zip(options.models, networks, strict=True)
        ]
    if options.html is not None:
        from n2uqc.backends.report import write_html

        with working("drawing the page"):
            command = command_line(options)
            write_html(networks, options.html, command=command, synthesis=synthesized)
    if options.json:
        from n2uqc.backends.report import to_json

        print(json_text(to_json(networks, command_line(options), synthesized)), end="")
    else:
        print_costs(networks)
        for rows in synthesized:
            from n2uqc.console.synthesis import print_synthesis

            print_synthesis(rows)
        if options.html is not None:
            names = ", ".join(plain(path) for path in (options.html, *beside))
            print(f"wrote {names}")
    return 0


def chosen_dresses(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the dresses of --as; none if it was not given.

    Raises:
        UserError: a name is not known, or there are several networks.
    """
    if options.dresses is None:
        return ()
    from n2uqc.backends.cost import DRESSES

    names = tuple(name.strip() for name in options.dresses.split(","))
    for name in names:
        if name not in DRESSES:
            raise UserError(f"--as {plain(name)!r}: not one of {', '.join(DRESSES)}")
    if len(options.models) > 1:
        raise UserError(
            "--as shows one network in other dresses; networks trained apart are costed as what "
            "they are: name one MODEL, or leave --as out"
        )
    return names


def command_line(options: argparse.Namespace) -> str:
    """Return the command that reproduces a page."""
    import shlex

    given = [str(model) for model in options.models]
    for name in (*_REPEATED, *CHOICES):
        value = getattr(options, name, None)
        if value is None:
            continue
        flag = f"--{_REPEATED.get(name, name.replace('_', '-'))}"
        if name == "width":
            given += [part for of, bits in value for part in (flag, f"{of}={bits}")]
        else:
            given += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return plain(shlex.join(["n2uqc", "cost", *given]))


_REPEATED = {"dresses": "as"} | {
    name: name.replace("_", "-")
    for name in ("data", "processor", "technology", "device", "folding", "target_cycles",
                 "target_fps", "clock", "fill")
}  # fmt: skip
"""Options that change the figures, beside those of precision, by their attribute."""


def print_costs(networks: Sequence[Comparison | Trained], console: Console | None = None) -> None:
    """Print the comparison's tables, findings and assumptions."""
    from n2uqc.backends.report import render_table

    console = console or wide_console()
    for part in render_table(networks):
        console.print(part)
