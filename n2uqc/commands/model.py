"""The MODEL argument of the commands: an ONNX file with its precision options, or a program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import UserError, read_array

if TYPE_CHECKING:
    from n2uqc.passes import Options
    from n2uqc.passes.base import Observer
    from n2uqc.passes.program import Program

_CHOICES = ("residual_bits", "stem_bits", "head_bits", "input_range", "calib")


def add_model(parser: argparse.ArgumentParser, **kwargs: Any) -> None:
    """The positional MODEL argument."""
    parser.add_argument(
        "model", metavar="MODEL", type=Path,
        help="an ONNX file, or a program saved by `n2uqc compile --target program`", **kwargs,
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Options for what N2UQ leaves real-valued; the quantized layers need none."""
    group = parser.add_argument_group(
        "fixed point", "Widths of what N2UQ leaves real-valued. Quantized layers are exact as "
        "they are. A saved program already contains these choices."
    )
    group.add_argument("--residual-bits", type=int, metavar="N", help="skip stream, 8..32 (32)")
    group.add_argument(
        "--stem-bits", type=int, metavar="N",
        help="weights and inputs of convolutions that are not quantized, 8..26 (24)",
    )
    group.add_argument(
        "--head-bits", type=int, metavar="N", help="weights of the last layer, 8..26 (16)"
    )
    group.add_argument(
        "--input-range", type=_range, metavar="LO,HI",
        help="least and greatest value of the network's input; others are clamped (-8,8). "
        "Write --input-range=-1,1 with the equals sign if LO is negative",
    )
    group.add_argument(
        "--calib", type=Path, metavar="X.npz",
        help="preprocessed images (N,C,H,W), .npy or .npz, whose extremes set the input's range",
    )


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers LO,HI") from None
    return low, high


def precision(options: argparse.Namespace) -> Options:
    """The chosen fixed-point options.

    Raises:
        CompileError: a value outside its range.
        UserError: the calibration file cannot be read.
    """
    from n2uqc.passes import Options

    chosen: dict[str, Any] = {
        name: value
        for name in _CHOICES
        if name != "calib" and (value := getattr(options, name)) is not None
    }
    if options.calib is not None:
        chosen["calibration"] = read_array(options.calib)
    return Options(**chosen)


def is_program(path: Path) -> bool:
    """Whether a file is a saved program (judged by content) rather than ONNX."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return path.suffix == ".n2uq"


def open_program(options: argparse.Namespace, observe: Observer | None = None) -> Program:
    """The integer program of the MODEL argument.

    Args:
        options: the parsed command line.
        observe: called after each pass.

    Raises:
        CompileError, StoreError: the file cannot be compiled or read.
        UserError: precision options were given with a program that already fixed them.
    """
    if not is_program(options.model):
        from n2uqc.passes import load

        return load(options.model, precision(options), observe=observe)
    given = [f"--{n.replace('_', '-')}" for n in _CHOICES if getattr(options, n, None) is not None]
    if given:
        raise UserError(
            f"{options.model} is a compiled program; {', '.join(given)} apply to ONNX models only"
        )
    from n2uqc.passes.program import load as load_program

    return load_program(options.model)
