"""Program text, line by line: what is read of each, and what is said of one that no program has."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from n2uqc.passes.program import Constant, MemoryPlan, Program, RealType
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Quantize, RealAvgPool, RealClip, RealPRelu
from n2uqc.passes.program.text import TextError, dump, parse

TEXT = """# a comment, and an empty line

program small net
interface "image" [2,2,2] pixels, "z" [1] -> "y" [3,2,2] channels_last
metadata key = "a = \\"b\\""
metadata other = ""
note "first"
note "second \\u00e9"
input %x : u8[2,2,2] in [0, 255] scale 1/3 error 1/7
input %z : s3[1,1,1] in [-4, 3]
%a.acc = conv(%x) weight=@w stride=(2,1) pads=(0,1,0,2) : s16[1,4,3] in [-900, 900] from ["n", "m"]
%y = clamp(%a.acc) lo=-5 hi=6 : s4[1,4,3] in [-5, 6] scale -2
output %y
output %a.acc
plan 64 %x=32 %a.acc=0
@w : s4[3,1,1,2] = 1 2 3 4 -1 -2
"""


def test_what_is_read() -> None:
    program = parse(TEXT)
    assert program.name == "small net"
    image, z = program.interface.inputs
    assert (image.name, image.shape, image.pixels, image.channels_last) == (
        "image", (2, 2, 2), True, False
    )  # fmt: skip
    assert (z.name, z.shape, z.pixels) == ("z", (1,), False)
    (y,) = program.interface.outputs
    assert (y.name, y.shape, y.pixels, y.channels_last) == ("y", (3, 2, 2), False, True)
    assert program.metadata == {"key": 'a = "b"', "other": ""}
    assert program.notes == ("first", "second \u00e9")
    assert (program.inputs, program.outputs) == (("x", "z"), ("y", "a.acc"))
    x = program.int_type("x")
    assert (x.shape, x.bits, x.signed, x.lo, x.hi) == ((2, 2, 2), 8, False, 0, 255)
    assert (x.scale, x.error) == (Fraction(1, 3), Fraction(1, 7))
    small = program.int_type("z")
    assert (small.bits, small.signed, small.lo, small.hi) == (3, True, -4, 3)
    assert (small.scale, small.error) == (None, 0)
    assert program.int_type("y").scale == -2
    conv, clamp = program.ops
    assert (conv.inputs, conv.output, conv.origin) == (("x",), "a.acc", ("n", "m"))
    fields: Any = conv
    assert (fields.weight, fields.stride, fields.pads) == ("w", (2, 1), (0, 1, 0, 2))
    assert (fields.dilation, fields.groups) == ((1, 1), 1)
    fields = clamp
    assert (fields.lo, fields.hi, clamp.origin) == (-5, 6, ())
    assert program.plan == MemoryPlan({"x": 32, "a.acc": 0}, 64)
    (w,) = program.constants.values()
    assert (w.encoding, w.bits, w.values.dtype) == ("s", 4, np.int64)
    assert w.values.tolist() == [[[[1, 2]]], [[[3, 4]]], [[[-1, -2]]]]


def test_what_is_written_is_what_was_read() -> None:
    written = dump(parse(TEXT))
    assert written.splitlines() == TEXT.splitlines()[2:]
    hashed = dump(parse(TEXT), inline=False)
    assert hashed.splitlines()[:-1] == written.splitlines()[:-1]
    # sha256 of the six numbers as int64, little endian.
    assert hashed.splitlines()[-1] == "@w : s4[3,1,1,2] = sha256:10fc2d708ab81781"
    with pytest.raises(TextError, match="only the hash"):
        parse(hashed)


def test_lines_behind_each_other_and_spaces_around() -> None:
    assert dump(parse("\n".join(f"  {line}\t" for line in TEXT.splitlines()))) == dump(parse(TEXT))


def real(*ops: Any, constants: dict[str, Constant] | None = None) -> Program:
    """A program of real numbers whose operations follow one another."""
    base = parse(TEXT)
    types: dict[str, Any] = {"x": RealType((2, 2, 2))}
    types |= {op.output: RealType((2, 2, 2)) for op in ops}
    return Program(
        "real", base.interface, ("x",), (ops[-1].output,), types, ops, constants or {}
    )  # fmt: skip


def test_attributes_of_every_kind() -> None:
    """Rows and tables of exact numbers, rules of comparison, numbers that may be missing."""
    half, root = Surd.of(Fraction(1, 2)), Surd.root(2)
    table = ((half, root), (-root, half + root))
    ops = (
        RealPRelu(output="a", inputs=("x",), slope=(half, -root, Surd.of(0))),
        RealClip(output="b", inputs=("a",), lo=None, hi=root),
        RealClip(output="c", inputs=("b",), lo=-half, hi=None),
        RealAvgPool(output="d", inputs=("c",), kernel=(2, 3), pads=(1, 0, 1, 2), counted=(0,) * 4),
        RealAvgPool(output="e", inputs=("d",), kernel=(1, 1)),
        Quantize(
            output="q", inputs=("e",), thresholds=table, input_scale=half, strict=False,
            step=root, bits=2, ties=((True, False), (False, True)),
        ),
        Quantize(
            output="r", inputs=("q",), thresholds=table[:1], input_scale=half, strict=True,
            step=root, bits=2,
        ),
    )  # fmt: skip
    program = real(*ops)
    assert parse(dump(program)).ops == ops
    assert dump(parse(dump(program))) == dump(program)
    lines = dump(program).splitlines()
    assert sum("ties=[>=;=>]" in line for line in lines) == 1
    assert sum("counted=" in line for line in lines) == 1  # the usual value is not written


def test_real_constants() -> None:
    values = np.array([[0.1, -2.5e-300, 3.0]])
    op = RealClip(output="a", inputs=("x",), lo=Surd.of(0), hi=None)
    program = real(op, constants={"w": Constant.real(values)})
    (line,) = (s for s in dump(program).splitlines() if s.startswith("@"))
    assert line == f"@w : real[1,3] = {' '.join(float(v).hex() for v in values[0])}"
    back = parse(dump(program)).constants["w"]
    assert (back.encoding, back.bits, back.values.dtype) == ("real", 64, np.float64)
    np.testing.assert_array_equal(back.values, values)


def test_values_from_elsewhere() -> None:
    """Those of the store stand; a line of the text replaces what it names."""
    text = TEXT.replace(TEXT.splitlines()[-1], "")
    assert parse(text).constants == {}
    given = {"w": Constant.narrow([5])}
    assert parse(text, given).constants["w"].values.tolist() == [5]
    assert parse(TEXT, given).constants["w"].values.size == 6
    assert given["w"].values.tolist() == [5]


LINE: dict[str, tuple[str, str, str]] = {
    "twice an input": ("input %z", "input %x", "line 10: %x is defined twice"),
    "twice a result": ("%y = clamp", "%x = clamp", "line 12: %x is defined twice"),
    "an operation": ("clamp(", "clomp(", "line 12: unknown operation clomp"),
    "an attribute": ("lo=-5", "low=-5", "line 12: clamp has no attribute low"),
    "a missing attribute": (" hi=6", "", "line 12: "),
    "a type": ("s3[1,1,1] in", "t3[1,1,1] in", "line 10: not a type: t3"),
    "a range": ("in [-4, 3]", "in [-4 3]", "line 10: not a type"),
    "a scale of 0": ("scale 1/3", "scale 0", "line 9: 0 is 0, or no number"),
    "a scale without end": ("scale 1/3", f"scale {2**1001}", "line 9: .* no number that float64"),
    "a scale near 0": ("scale 1/3", f"scale 1/{2**1001}", "line 9: .* no number that float64"),
    "an error below 0": ("error 1/7", "error -1/7", "line 9: -1/7 is not positive"),
    "an error of 0": ("error 1/7", "error 0", "line 9: 0 is 0"),
    "a place": ("%x=32", "%x", "line 15: "),
    "two places": ("%x=32", "%x=32=1", "line 15: "),
    "a size": ("plan 64", "plan 6.4", "line 15: "),
    "few values": ("1 2 3 4 -1 -2", "1 2 3 4 -1", "line 16: "),
    "a value": ("1 2 3 4 -1 -2", "1 2 3 4 -1 x", "line 16: "),
    "a word": ("output %y", "outputs %y", "line 13: not a line of a program"),
    "a note": ('note "first"', "note first", "line 7: "),
    "metadata": ('other = ""', "other = 5", "line 6: 5 is not a string"),
    "origins": ('["n", "m"]', '["n", 5]', "line 11: .* not a list of strings"),
    "no name": ("program small net\n", "", "the text ends without: name"),
    "no inputs": ("input", "# input", "ends without: inputs"),
    "no outputs": ("output %", "# output %", "ends without: outputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINE)
def test_lines_that_no_program_has(name: str) -> None:
    old, new, told = LINE[name]
    assert old in TEXT
    with pytest.raises(TextError, match=told):
        parse(TEXT.replace(old, new))


def test_numbers_at_the_limits() -> None:
    """Scales to 2**1000 either way; integers of 64 bits."""
    for scale in (f"{2**1000}", f"1/{2**1000}", f"-{2**1000}", "-1/3"):
        text = TEXT.replace("scale 1/3", f"scale {scale}")
        assert parse(text).int_type("x").scale == Fraction(scale)
    for number, fits in (
        (2**64 - 1, True),
        (2**64, False),
        (-(2**63), True),
        (-(2**63) - 1, False),
    ):
        text = TEXT.replace("lo=-5", f"lo={number}")
        if fits:
            fields: Any = parse(text).ops[1]
            assert fields.lo == number
        else:
            with pytest.raises(TextError, match="line 12: .* no integer of 64 bits"):
                parse(text)


def test_the_message_holds_part_of_a_long_line() -> None:
    with pytest.raises(TextError) as caught:
        parse("x" * 500)
    assert str(caught.value) == f"line 1: not a line of a program: {'x' * 120}"
