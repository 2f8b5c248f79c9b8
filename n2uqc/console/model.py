"""The MODEL argument of the commands: an ONNX file with precision options, or a program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.api.errors import UserError
from n2uqc.frontend.escape import plain

from .batches import read_unnamed
from .input_options import add_inputs, input_shape, raw_pixels
from .output import new_sheet
from .progress import TERMINAL

if TYPE_CHECKING:
    from n2uqc.api.model import OpenedModel
    from n2uqc.passes import Options
    from n2uqc.passes.pass_manager import Observer

_BITS = ("residual_bits", "stem_bits", "head_bits", "level_bits")
CHOICES = (
    "precision",
    *_BITS,
    "input_range",
    "pixels",
    "mean",
    "std",
    "calib",
    "margin",
    "flip_rate",
    "width",
    "integer_heads",
    "input_shape",
)


def add_model(parser: argparse.ArgumentParser, **kwargs: Any) -> None:
    """Add the positional MODEL argument."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="an ONNX file, or a program saved by `n2uqc compile --target program`; "
        "- for standard input",
        **kwargs,
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add the options for real-valued tensors and inputs; the quantized layers need none."""
    group = parser.add_argument_group(
        "fixed point",
        "Widths of the tensors that N2UQ leaves real-valued; quantized layers are always "
        "exact. A saved program already contains these choices.",
    )
    group.add_argument(
        "--precision",
        metavar="NAME",
        help="exact, balanced or small: sets the three widths below "
        "(exact: 32, 24, 16, the first two wider where rounding would flip codes); auto searches "
        "the smallest widths on the images of --calib",
    )
    group.add_argument(
        "--flip-rate",
        type=float,
        metavar="R",
        help="with --precision auto: share of the "
        "activation codes that may differ from exact arithmetic (0.001)",
    )
    group.add_argument("--residual-bits", type=int, metavar="N", help="skip stream, 8..56")
    group.add_argument(
        "--stem-bits",
        type=int,
        metavar="N",
        help="weights and inputs of convolutions that are not quantized, 8..32",
    )
    group.add_argument(
        "--head-bits", type=int, metavar="N", help="weights of the last layer, 8..26"
    )
    group.add_argument(
        "--level-bits",
        type=int,
        metavar="N",
        help="integers that a codebook's levels become where they are not commensurable, 4..26 "
        "(as --stem-bits)",
    )
    group.add_argument(
        "--width",
        type=_width,
        action="append",
        metavar="NAME=N",
        help="width of one fixed-point "
        "tensor, or of the weights of one layer that is not quantized (NAME.weight); may be "
        "repeated; a wrong name lists those there are",
    )
    group.add_argument(
        "--calib",
        type=Path,
        metavar="X.npz",
        help="images (N,C,H,W), .npy or .npz; fixed-point formats are fitted to the values seen",
    )
    group.add_argument(
        "--margin",
        type=float,
        metavar="F",
        help="with --calib: factor over the largest magnitude seen (1.25)",
    )
    group.add_argument(
        "--integer-heads",
        action="store_true",
        default=None,
        help="Softmax, LogSoftmax, Sigmoid and roots behind the last layer in the program's fixed "
        "point, with a proven bound; else the host computes them in float64 (run, simulate and "
        "evaluate do)",
    )
    add_inputs(parser)


def _width(text: str) -> tuple[str, int]:
    name, _, bits = text.rpartition("=")
    if not name or not bits.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=BITS")
    return name, int(bits)


def precision(options: argparse.Namespace) -> Options:
    """Return the chosen fixed-point options.

    Raises:
        CompileError: a value is outside its range.
        UserError: the calibration file cannot be read, or options exclude each other.
    """
    from n2uqc.passes import Options
    from n2uqc.passes.pixels import Pixels

    chosen: dict[str, Any] = {name: getattr(options, name) for name in (*_BITS, "margin")}
    pixels = raw_pixels(options)
    if options.input_range is not None:
        if isinstance(pixels, Pixels) or options.calib is not None:
            raise UserError("--input-range has no meaning beside --pixels or --calib")
        if len(options.input_range) != 2:
            count = len(options.input_range)
            raise UserError(f"--input-range takes two numbers LO,HI, not {count}")
        chosen["input_range"] = options.input_range
    chosen["pixels"] = pixels
    chosen["integer_heads"] = options.integer_heads
    if options.calib is not None:
        chosen["calibration"] = read_unnamed(options.calib)
    elif options.margin is not None:
        raise UserError("--margin belongs to --calib")
    if options.width is not None:
        if options.precision == "auto":
            raise UserError("--width has no meaning beside --precision auto, which sets all widths")
        chosen["widths"] = dict(options.width)
    if options.precision == "auto":
        widest = Options.preset("exact", **chosen)
        return _searched(options, widest)
    if options.flip_rate is not None:
        raise UserError("--flip-rate belongs to --precision auto")
    return Options.preset(options.precision or "exact", **chosen)


def _searched(options: argparse.Namespace, widest: Options) -> Options:
    """Search the smallest widths, print the table to standard error, and return the options."""
    from n2uqc.api.precision import search_precision
    from n2uqc.passes.search_precision import FLIP_RATE

    found = search_precision(
        options.model,
        widest,
        flip_rate=FLIP_RATE if options.flip_rate is None else options.flip_rate,
        input_shape=input_shape(options),
        progress=TERMINAL,
    )
    sheet = new_sheet(options)
    found.write(sheet)
    print(sheet, end="", file=sys.stderr)
    return found.options


def opened(options: argparse.Namespace, observe: Observer | None = None) -> OpenedModel:
    """Return the MODEL argument: the program with what it was made of.

    Args:
        options: the parsed command line.
        observe: called after each pass.

    Raises:
        CompileError, StoreError: the file cannot be compiled or read.
        UserError: precision options were given with a saved program.
    """
    from n2uqc.api.model import open_model
    from n2uqc.passes.from_file import is_program

    if not is_program(options.model):
        return open_model(options.model, precision(options), input_shape(options), observe)
    given = [f"--{n.replace('_', '-')}" for n in CHOICES if getattr(options, n, None) is not None]
    if given:
        raise UserError(
            f"{plain(options.model)} is a saved program, whose widths and ranges stand; "
            f"{', '.join(given)}: only with an ONNX model"
        )
    return open_model(options.model)
