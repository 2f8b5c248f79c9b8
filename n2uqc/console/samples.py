"""Options of commands that run images through a program: where they are, where outputs go."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .batches import require_outputs_fit, write_outputs
from .output import new_sheet, show, tell_written

if TYPE_CHECKING:
    from n2uqc.api.simulate import RunResult
    from n2uqc.passes.program import Program


def add_samples(parser: argparse.ArgumentParser) -> None:
    """Add the options --input, --output and --integers."""
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        required=True,
        help="preprocessed images, .npy or .npz (its only array, or the one named x; with several "
        "inputs, one array named as each), float, (N, C, H, W) for any N; - for standard input",
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="Y",
        type=Path,
        help="where to write the outputs: float64 in the model's own scale and axis order, .npy; "
        "or .npz, an array named as each output; - for standard output; without it, the first "
        "outputs are printed",
    )
    parser.add_argument(
        "--integers",
        action="store_true",
        help="give the program's output integers (int64, channels last) instead",
    )


def require_room(program: Program, options: argparse.Namespace) -> None:
    """Check before a long computation that the file can hold all outputs.

    Raises:
        UserError: there are several, and it is not named .npz.
    """
    from n2uqc.passes.program.boundary import result_names

    if options.integers:
        names = tuple(port.name for port in program.interface.outputs)
    else:
        names = result_names(program)
    require_outputs_fit(options.output, names)


def finish(found: RunResult, options: argparse.Namespace) -> None:
    """Print the result, or write the outputs and say where to."""
    if options.output is None or options.json:
        show(found, options)
    else:
        sheet = new_sheet(options)
        found.write_cycles(sheet)
        print(sheet, end="")
    if options.output is not None:
        write_outputs(options.output, found.outputs)
        tell_written(options.output, options, f"{found.samples} samples")
