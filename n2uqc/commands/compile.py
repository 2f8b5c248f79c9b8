"""Compiles a network for a target.

Processor targets (`--target help` lists them: architectures such as aarch64, with features such as
aarch64+dotprod, cores such as cortex-a72, and host) give a folder with a static library of plain C
entries, a header, a driver program and a manifest. The target fpga gives the datapath: its engines
with cycles and estimated resources, FIFOs, and the folding (to edit and pass to --folding); with
--rtl also Verilog of the whole pipeline with a test bench, vectors and a Makefile for Verilator and
yosys. The target program saves the integer program itself, which every command accepts instead of
MODEL.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.api.errors import UserError
from n2uqc.console.files import require_writable
from n2uqc.console.folding import add_folding
from n2uqc.console.kernels import write_kernels
from n2uqc.console.model import add_model, add_precision, opened
from n2uqc.console.output import new_sheet, show_json, tell
from n2uqc.console.progress import working
from n2uqc.console.target import add_target, asked, check_target
from n2uqc.frontend.escape import plain

if TYPE_CHECKING:
    from n2uqc.passes.pass_manager import Pass
    from n2uqc.passes.program import Program

HELP = "compile for ARM, this machine, an FPGA datapath, or to a saved integer program"
EXAMPLES = """\
examples:
  n2uqc compile net.onnx --target aarch64 -o out/net
  n2uqc compile net.onnx --target cortex-a76 -o out/net
  n2uqc compile net.onnx --name eye_left --target cortex-m4 -o out/eye_left
  n2uqc compile --target help
  n2uqc compile net.onnx --target program -o net.n2uq
  n2uqc compile net.onnx --target fpga --rtl -o out/net
  n2uqc compile net.onnx --target fpga --device xc7z020 --target-fps 2000 --clock 150 -o out/net
  n2uqc compile net.onnx --target fpga --folding edited.json --rtl -o out/net
  n2uqc compile net.onnx --target program -o net.n2uq --print-after integer-thresholds --timing
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    add_target(parser)
    parser.add_argument(
        "--output",
        "-o",
        required=True,
        metavar="DIR",
        type=Path,
        help="folder to write (a file for the target program)",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="of which symbols and files are made: small letters, digits, underscores (the "
        "model's file name); libraries that one application links need different ones",
    )
    parser.add_argument(
        "--rtl",
        action="store_true",
        help="with --target fpga: write Verilog, test bench, vectors "
        "and Makefile (needs the extra n2uqc[rtl])",
    )
    add_folding(parser)
    add_precision(parser)
    group = parser.add_argument_group("looking inside")
    group.add_argument(
        "--print-after",
        metavar="PASS",
        action="append",
        default=[],
        help="print the program's text after a pass (`all` for every pass); may be repeated",
    )
    group.add_argument("--timing", action="store_true", help="print the seconds of each pass")
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="print the notes of the passes, and the table of kernels with reasons",
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.compile import compile
    from n2uqc.backends.artifact import require_replaceable
    from n2uqc.passes.program.names import require_name, with_name

    target = check_target(options)
    if options.name is not None:
        require_name(options.name)
    require_writable(options.output, folder=target.artifact.is_folder)
    if target.artifact.is_folder:
        require_replaceable(options.output)
    _check_pass_names(options.print_after)
    with working("compiling to the integer program"):
        program = with_name(opened(options, _Observer(options).after).program, options.name)
    with working(f"compiling for {options.target}") as step:
        artifact = compile(program, target=options.target, **asked(options, program), progress=step)
        artifact.save(options.output)
    if options.json:
        show_json(artifact.manifest)
        return 0
    sheet = new_sheet(options)
    if options.verbose:
        for note in program.notes:
            sheet.line(f"note: {note}")
        if "kernels" in artifact.facts:
            write_kernels(sheet, artifact.facts)
    artifact.write(sheet)
    print(sheet, end="")
    report_files(options.output)
    if hint := artifact.next_step(options.output):
        print(hint)
    return 0


def report_files(folder: Path) -> None:
    """Print the path of every file of an artifact."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
        if path.is_file():
            print(f"wrote {plain(path)}")


def _check_pass_names(wanted: list[str]) -> None:
    from n2uqc.passes import PIPELINE

    names = [step.name for step in PIPELINE]
    for name in wanted:
        if name not in (*names, "all"):
            raise UserError(f"--print-after {name}: no such pass; there are {', '.join(names)}")


class _Observer:
    """Prints the programs and times that --print-after and --timing ask for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.wanted, self.timing = options.print_after, options.timing

    def after(self, step: Pass, program: Program, seconds: float) -> None:
        if self.timing:
            print(f"{step.name:20} {1000 * seconds:9.1f} ms  {step.summary}", file=sys.stderr)
        if step.name in self.wanted or "all" in self.wanted:
            from n2uqc.passes.program import dump

            text = dump(program, inline=False)
            tell(f"# after {step.name}: {step.summary}\n{text}", self.options)
