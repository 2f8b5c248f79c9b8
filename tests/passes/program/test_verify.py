"""Every rule of a legal program: one program, and each way to break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from n2uqc.passes.program import Constant, IllegalOp, Program, RealType, verify
from n2uqc.passes.program.interface import Port
from n2uqc.passes.program.ops.real import RealClip

from ...properties.programs import Builder


def small() -> Program:
    """A convolution and its thresholds."""
    b = Builder(0, 3, 2, 2, False)
    return b.finish(b.thresholds(b.conv("x", 2, bits=1), 1))


SMALL = small()
FIRST, LAST = SMALL.ops[0].output, SMALL.output
CONSTANT = SMALL.ops[0].constant_names()[0]


def typed(name: str, **fields: Any) -> Program:
    """The program with another type of one tensor."""
    return replace(SMALL, types={**SMALL.types, name: replace(SMALL.types[name], **fields)})


def without(table: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != name}


def faced(**ends: tuple[Port, ...]) -> Program:
    """The program with other ports."""
    return replace(SMALL, interface=replace(SMALL.interface, **ends))


(PORT,), (RESULT,) = SMALL.interface.inputs, SMALL.interface.outputs
BROKEN: dict[str, tuple[Callable[[], Program], str]] = {
    "two axes": (lambda: typed("x", shape=(3, 6)), r"shape \(3, 6\) is not"),
    "above the width": (lambda: typed("x", hi=4), "range does not fit the width"),
    "below the width": (lambda: typed("x", lo=-1), "range does not fit the width"),
    "an empty range": (lambda: typed("x", lo=3, hi=2), "range does not fit the width"),
    "no bits": (lambda: typed(LAST, bits=0, lo=0, hi=0), "range does not fit the width"),
    "65 bits": (lambda: typed(LAST, bits=65), "range does not fit the width"),
    "a real tensor": (
        lambda: replace(SMALL, types={**SMALL.types, FIRST: RealType(SMALL.types[FIRST].shape)}),
        "real-valued tensor is left",
    ),
    "a real operation": (
        lambda: replace(SMALL, ops=(
            SMALL.ops[0], RealClip(output=LAST, inputs=(FIRST,), lo=None, hi=None))),
        "a real-valued operation is left",
    ),
    "a real constant": (
        lambda: replace(
            SMALL,
            constants={
                **SMALL.constants, CONSTANT: Constant.real(SMALL.constants[CONSTANT].values * 0.5)
            },
        ),
        "real-valued constant is left",
    ),
    "another order": (
        lambda: replace(SMALL, ops=SMALL.ops[::-1]), f"reads %{FIRST} before it is defined"
    ),
    "twice": (lambda: replace(SMALL, ops=(*SMALL.ops, SMALL.ops[-1])), "is defined twice"),
    "no type": (lambda: replace(SMALL, types=without(SMALL.types, FIRST)), "has no type"),
    "no constant": (
        lambda: replace(SMALL, constants=without(SMALL.constants, CONSTANT)),
        f"constant @{CONSTANT} is missing",
    ),
    "an unused constant": (
        lambda: replace(
            SMALL, constants={**SMALL.constants, "more": Constant.narrow(np.zeros(2, np.int64))}
        ),
        r"unused constants: \['more'\]",
    ),
    "an undefined tensor": (
        lambda: replace(SMALL, types={**SMALL.types, "more": SMALL.types["x"]}),
        r"undefined tensors: \['more'\]",
    ),
    "an output from nowhere": (
        lambda: replace(SMALL, outputs=("more",)), "output %more is never defined"
    ),
    "an output that is the input": (
        lambda: replace(SMALL, outputs=("x",), interface=replace(
            SMALL.interface, outputs=(replace(RESULT, shape=PORT.shape),))),
        "nothing computes it",
    ),
    "an input without type": (
        lambda: replace(SMALL, types=without(SMALL.types, "x")), "input %x has no type"
    ),
    "an input twice": (
        lambda: replace(faced(inputs=(PORT, replace(PORT, name="z"))), inputs=("x", "x")),
        "listed twice",
    ),
    "two ports of one tensor": (
        lambda: faced(inputs=(PORT, replace(PORT, name="z"))), "1 inputs where the interface has 2"
    ),
    "no port": (lambda: faced(outputs=()), "1 outputs where the interface has 0"),
    "two ports of one name": (
        lambda: replace(faced(outputs=(RESULT, RESULT)), outputs=(LAST, LAST)),
        "two outputs of the interface have one name",
    ),
    "another shape": (lambda: typed(LAST, shape=(3, 2, 2)), r"declared \(3, 2, 2\)"),
    "too narrow": (lambda: typed(FIRST, hi=SMALL.types[FIRST].hi - 1), r"reaches \["),
    "not from its least": (lambda: typed(FIRST, lo=SMALL.types[FIRST].lo + 1), r"reaches \["),
    "a smaller image": (
        lambda: faced(inputs=(replace(PORT, shape=(2, 3, 2)),)), "has not the elements of %x"
    ),
    "sizes below zero": (
        lambda: faced(inputs=(replace(PORT, shape=(2, -3, -3)),)), "has not the elements of %x"
    ),
    "pixels in two bits": (
        lambda: faced(inputs=(replace(PORT, pixels=True),)), "pixels of 8 bits leave the range"
    ),
    "pixels given out": (
        lambda: faced(outputs=(replace(RESULT, pixels=True),)), "pixels of 8 bits leave the range"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str) -> None:
    make, message = BROKEN[name]
    with pytest.raises(IllegalOp, match=message):
        verify(make())


def test_what_is_legal() -> None:
    """The program itself; wider types; pixels of 8 bits."""
    verify(SMALL)
    verify(replace(typed(FIRST, bits=63, lo=-(2**62), hi=2**62 - 1), plan=None))
    wide = Builder(0, 3, 2, 8, False)
    pixels = wide.finish(wide.thresholds(wide.conv("x", 2, bits=1), 1))
    (port,) = pixels.interface.inputs
    face = replace(pixels.interface, inputs=(replace(port, pixels=True),))
    verify(replace(pixels, interface=face))
