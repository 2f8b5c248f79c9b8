"""Options that state what inputs are: sizes, ranges, raw pixels; by name where several."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from n2uqc.api.errors import UserError
from n2uqc.frontend.escape import plain

if TYPE_CHECKING:
    from n2uqc.frontend.input_shape import InputShape
    from n2uqc.passes.pixels import Pixels

T = TypeVar("T")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options of how a program reads its inputs."""
    group = parser.add_argument_group("input")
    add_input_shape(group)
    group.add_argument(
        "--input-range",
        type=_numbers,
        metavar="LO,HI",
        help="least and greatest value of the network's input; others are clamped (-8,8)",
    )
    add_pixels(group)


def add_pixels(group: argparse._ActionsContainer) -> None:
    """Add the options of raw images."""
    group.add_argument(
        "--pixels",
        "--input-scale",
        type=_of_input(_number),
        action="append",
        metavar="[NAME=]SCALE",
        help="input is raw uint8 images, not preprocessed ones: value = (pixel * SCALE - mean) / "
        "std, e.g. --pixels 1/255; of several inputs, once for each that is, by its name",
    )
    for name in ("mean", "std"):
        group.add_argument(
            f"--{name}",
            type=_of_input(_numbers),
            action="append",
            metavar="[NAME=]A,…",
            help="with --pixels: one number, or one for each channel; of one input, by its name",
        )


def add_input_shape(parser: argparse._ActionsContainer) -> None:
    """Add the option for sizes that an ONNX file does not fix."""
    parser.add_argument(
        "--input-shape",
        type=_of_input(_sizes),
        action="append",
        metavar="[NAME=]C,H,W",
        help="sizes of axes of the input that the ONNX file leaves dynamic, e.g. 3,224,224; of "
        "several inputs, once for each that has some, by its name",
    )


def _of_input(parse: Callable[[str], T]) -> Callable[[str], tuple[str | None, T]]:
    """Return the parser of a value that may be that of one input, NAME=VALUE."""

    def parsed(text: str) -> tuple[str | None, T]:
        name, equals, value = text.rpartition("=")
        if equals and not name:
            raise argparse.ArgumentTypeError(f"{text!r} has no name before its =")
        return name if equals else None, parse(value)

    return parsed


def by_input(option: str, given: Sequence[tuple[str | None, T]] | None) -> T | dict[str, T] | None:
    """Return the one value of a repeatable option, or its values by the names of inputs.

    Raises:
        UserError: it is given twice for one input, or both with and without names.
    """
    if not given:
        return None
    names = [name for name, _ in given]
    if len(given) == 1 and names[0] is None:
        return given[0][1]
    if None in names:
        raise UserError(f"{option} is given {len(given)} times: each needs a name, NAME=VALUE")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{option} is given twice for {plain(twice)}")
    return {name: value for name, value in given if name is not None}


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of sizes C,H,W")
    return tuple(int(part) for part in parts)


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


def input_shape(options: argparse.Namespace) -> InputShape | None:
    """Return the sizes that --input-shape states.

    Raises:
        UserError: they name one input twice, or only some.
    """
    return by_input("--input-shape", options.input_shape)


def one_of_input(option: str, value: T | dict[str, T] | None) -> T | None:
    """Return the value of the only input.

    Raises:
        UserError: it is given by a name.
    """
    if isinstance(value, dict):
        raise UserError(f"{option} NAME=…: there is one input, without a name")
    return value


def raw_pixels(options: argparse.Namespace) -> Pixels | dict[str, Pixels] | None:
    """Return the raw images that --pixels, --mean and --std state."""
    from n2uqc.passes.pixels import Pixels

    scales = by_input("--pixels", options.pixels)
    rows = {key: by_input(f"--{key}", getattr(options, key)) for key in ("mean", "std")}
    given = {key: row for key, row in rows.items() if row is not None}
    if scales is None:
        if given:
            raise UserError("--mean and --std belong to --pixels")
        return None
    named = scales if isinstance(scales, dict) else {"": scales}
    for key, row in given.items():
        for name in row if isinstance(row, dict) else ():
            if name not in named:
                raise UserError(f"--{key} of {plain(name)} belongs to --pixels {plain(name)}=SCALE")
    found: dict[str, Pixels] = {}
    for name, scale in named.items():
        own = {
            key: row[name] if isinstance(row, dict) else row
            for key, row in given.items()
            if not isinstance(row, dict) or name in row
        }
        found[name] = Pixels(scale, **own)
    return found if isinstance(scales, dict) else found[""]
