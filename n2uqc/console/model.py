"""The MODEL argument of the commands: an ONNX file with precision options, or a program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.api.errors import UserError
from n2uqc.frontend.escape import plain

from .batches import read_unnamed
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
    """Add the options for real-valued tensors; the quantized layers need none."""
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
    group = parser.add_argument_group("input")
    add_input_shape(group)
    group.add_argument(
        "--input-range",
        type=_numbers,
        metavar="LO,HI",
        help="least and greatest value of the network's input; others are clamped (-8,8)",
    )
    group.add_argument(
        "--pixels",
        "--input-scale",
        type=_number,
        metavar="SCALE",
        help="input is raw uint8 images, not preprocessed ones: value = (pixel * SCALE - mean) / "
        "std, e.g. --pixels 1/255",
    )
    for name in ("mean", "std"):
        group.add_argument(
            f"--{name}",
            type=_numbers,
            metavar="A,…",
            help="with --pixels: one number, or one for each channel",
        )


def add_input_shape(parser: argparse._ActionsContainer) -> None:
    """Add the option for sizes that an ONNX file does not fix."""
    parser.add_argument(
        "--input-shape",
        type=_sizes,
        metavar="C,H,W",
        help="sizes of axes of the input that the ONNX file leaves dynamic, e.g. 3,224,224",
    )


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of sizes C,H,W")
    return tuple(int(part) for part in parts)


def _width(text: str) -> tuple[str, int]:
    name, _, bits = text.rpartition("=")
    if not name or not bits.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=BITS")
    return name, int(bits)


def _number(text: str) -> float:
    top, slash, bottom = text.partition("/")
    try:
        return float(top) / float(bottom) if slash else float(top)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers A,B") from None


def precision(options: argparse.Namespace) -> Options:
    """Return the chosen fixed-point options.

    Raises:
        CompileError: a value is outside its range.
        UserError: the calibration file cannot be read, or options exclude each other.
    """
    from n2uqc.passes import Options
    from n2uqc.passes.options import Pixels

    chosen: dict[str, Any] = {name: getattr(options, name) for name in (*_BITS, "margin")}
    if options.input_range is not None:
        if options.pixels is not None or options.calib is not None:
            raise UserError("--input-range has no meaning beside --pixels or --calib")
        if len(options.input_range) != 2:
            count = len(options.input_range)
            raise UserError(f"--input-range takes two numbers LO,HI, not {count}")
        chosen["input_range"] = options.input_range
    if options.pixels is not None:
        row = {name: v for name in ("mean", "std") if (v := getattr(options, name)) is not None}
        chosen["pixels"] = Pixels(options.pixels, **row)
    elif (options.mean or options.std) is not None:
        raise UserError("--mean and --std belong to --pixels")
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
        input_shape=options.input_shape,
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
        return open_model(options.model, precision(options), options.input_shape, observe)
    given = [f"--{n.replace('_', '-')}" for n in CHOICES if getattr(options, n, None) is not None]
    if given:
        raise UserError(
            f"{plain(options.model)} is a saved program, whose widths and ranges stand; "
            f"{', '.join(given)}: only with an ONNX model"
        )
    return open_model(options.model)
