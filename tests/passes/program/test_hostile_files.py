"""Saved programs that somebody changed: one error each, and no more work than the file is worth."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.program import Op, save, verify
from n2uqc.passes.program.lives import check_plan
from n2uqc.passes.program.operation import IllegalOp
from n2uqc.passes.program.program import MemoryPlan, Program
from n2uqc.passes.program.store import StoreError, load, pack, unpack
from n2uqc.passes.program.text import parse
from n2uqc.passes.program.types import Constant

from ...calls import count_calls
from ...properties.programs import one_of_each

TEXT = """\
program small
interface "x" [1,2,2] -> "y" [1,2,2]
note "a note"
input %x : s8[2,2,1] in [-8, 7] scale 1/16
%a = clamp(%x) lo=0 hi=7 : u3[2,2,1] in [0, 7] scale 1/16 from ["first"]
%b = add(%a, %a) : u4[2,2,1] in [0, 14] scale 1/16
%c = add(%a, %b) : u5[2,2,1] in [0, 21] scale 1/16
output %c
plan 128 %a=0 %b=64
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "small.n2uq"
    save(parse(TEXT), path)
    return path


def changed(saved: Path, path: Path, text: str, extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("format", zipfile.ZipFile(saved).read("format"))
        archive.writestr("program.txt", text)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


def test_the_program_itself(saved: Path, tmp_path: Path) -> None:
    assert load(changed(saved, tmp_path / "x.n2uq", TEXT)) == load(saved) == parse(TEXT)


CHANGES: dict[str, tuple[str, str, str]] = {
    "exponent": ("scale 1/16 error", "scale 1e30000000", "not a fraction"),
    "exponent of a scale": ("7] scale 1/16", "7] scale 1e30000000", "not a fraction"),
    "digits": ("7] scale 1/16", f"7] scale 1/1{'0' * 5000}", "not a fraction"),
    "too small": ("7] scale 1/16", f"7] scale 1/1{'0' * 400}", "no number that float64"),
    "zero": ("7] scale 1/16", "7] scale 0", "is 0"),
    "nought below": ("7] scale 1/16", "7] scale 1/0", "line 4"),
    "digits of an integer": ("hi=7", f"hi={'9' * 5000}", "no integer of 64 bits"),
    "digits of a range": ("[-8, 7]", f"[-8, {'9' * 5000}]", "no integer of 64 bits"),
    "interface": ('"y" [1,2,2]', '"y" [1,2,9999999]', "interface's output [1, 2, 9999999]"),
    "interface of no size": ('"x" [1,2,2]', '"x" [0,2,2]', "interface's input [0, 2, 2]"),
    "pixels": ("[1,2,2]\nnote", "[1,2,2] pixels\nnote", "pixels of 8 bits leave the range"),
    "a name of another type": ('interface "x"', "interface 1", "is not a string"),
    "a deep name": ('interface "x"', f"interface {'[' * 100_000}", "line 2"),
    "a note of another type": ('note "a note"', "note {}", "is not a string"),
    "a deep note": ('note "a note"', f"note {'[' * 100_000}", "line 3"),
    "an origin of another type": ('["first"]', '["first", 1]', "is not a list of strings"),
    "a deep origin": ('["first"]', f'["first", {"[" * 100_000}]', "line 5"),
    "overlap": ("%b=64", "%b=0", "lets %b and %a overlap"),
    "overlap in part": ("%b=64", "%b=3", "lets %b and %a overlap"),
    "below": ("%a=0", "%a=-64", "%a lies at -64..-60 of a plan of 128"),
    "behind": ("%b=64", "%b=128", "%b lies at 128..132 of a plan of 128"),
    "a plan without a tensor": (" %b=64", "", "does not fit the tensors: b"),
    "a plan of another tensor": ("%b=64", "%b=64 %x=64", "does not fit the tensors: x"),
    "a plan of exabytes": ("plan 128", "plan 9000000000000000000", "more than all tensors"),
    "channels": ("s8[2,2,1]", "s8[2,2,40000000]", "more than 16,777,216 channels"),
}


@pytest.mark.parametrize("case", [c for c in CHANGES if c != "exponent"])
def test_changes(case: str, saved: Path, tmp_path: Path) -> None:
    old, new, words = CHANGES[case]
    assert old in TEXT
    with pytest.raises(StoreError, match=r"changed\.n2uq") as caught:
        load(changed(saved, tmp_path / "changed.n2uq", TEXT.replace(old, new, 1)))
    assert words in str(caught.value), str(caught.value)
    assert len(str(caught.value)) < 1000


EXPANDING: dict[str, Callable[[], tuple[str, dict[str, bytes]]]] = {
    "a constant": lambda: (
        TEXT + "@zz : u1[1500000000] = sha256:0\n",
        {"constants/zz": bytes(187_500_000)},
    ),
    "many constants": lambda: (
        TEXT + "".join(f"@z{k} : u1[40000000] = sha256:0\n" for k in range(9)),
        {f"constants/z{k}": bytes(5_000_000) for k in range(9)},
    ),
    "notes": lambda: (TEXT + 'note "again"\n' * 1_000_000, {}),
    "a note": lambda: (TEXT + f'note "{"a" * 20_000_000}"\n', {}),
}


@pytest.mark.parametrize("case", EXPANDING)
def test_what_expands(case: str, saved: Path, tmp_path: Path) -> None:
    text, extra = EXPANDING[case]()
    path = changed(saved, tmp_path / "x.n2uq", text, extra)
    tracemalloc.start()
    with pytest.raises(StoreError, match="unpacks to|too many values"):
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.parametrize("bits", [1, 3, 8, 13])
def test_constants_of_several_pieces(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from n2uqc.passes.program import store

    monkeypatch.setattr(store, "_PIECE", 16)
    rng = np.random.default_rng(bits)
    for encoding, low in (("u", 0), ("s", -(2 ** (bits - 1)))):
        values = rng.integers(low, low + 2**bits, (5, 7))
        constant = Constant(values, encoding, bits)
        np.testing.assert_array_equal(unpack(pack(constant), encoding, bits, (5, 7)).values, values)


def test_a_plan_in_which_a_place_is_taken_again() -> None:
    program = parse(TEXT)
    check_plan(program)
    with pytest.raises(IllegalOp, match="overlap"):
        check_plan(Program(**{**vars_of(program), "plan": MemoryPlan({"a": 2, "b": 0}, 128)}))


def vars_of(program: Program) -> dict[str, object]:
    return {name: getattr(program, name) for name in Program.__dataclass_fields__}


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("[3,1,1,2]", "[3,2]"),
        ("stride=(1,1)", "stride=(1)"),
        ("stride=(1,1)", "stride=()"),
        ("s8[2,2,2]", "s8[8]"),
        ("s8[2,2,2]", "s8[2,2,2,1]"),
    ],
)
def test_forms_that_no_operation_has(line: str, change: str) -> None:
    """Only the text can state them: a weight of two axes, a stride of one number, and so on."""
    text = """program p
interface "x" [2,2,2] -> "y" [3,2,2]
input %x : s8[2,2,2] in [-128, 127] scale 1
%y = conv(%x) weight=@w stride=(1,1) pads=(0,0,0,0) : s16[2,2,3] in [-1024, 1016]
output %y
@w : s4[3,1,1,2] = 1 2 3 4 -1 -2
"""
    verify(parse(text))
    assert line in text
    with pytest.raises(ValueError) as caught:
        verify(parse(text.replace(line, change)))
    assert type(caught.value).__name__ in ("IllegalOp", "TextError"), caught.value


@pytest.mark.parametrize("kind", [f"u{2**63}", f"odd{2**63}", "s0", "u65"])
def test_widths_that_no_constant_has(kind: str) -> None:
    text = """program p
interface "x" [1,2,2] -> "y" [1,2,2]
input %x : u1[2,2,1] in [0, 1] scale 1
%y = lookup(%x) table=@t : u2[2,2,1] in [1, 3] scale 1
output %y
@t : u2[2] = 1 3
"""
    verify(parse(text))
    with pytest.raises(IllegalOp, match="width"):
        verify(parse(text.replace("u2[2] =", f"{kind}[2] =")))


def test_the_file_is_named_where_a_constant_is_damaged(saved: Path, tmp_path: Path) -> None:
    text = TEXT + "@zz : u999[4] = sha256:0\n"
    path = changed(saved, tmp_path / "x.n2uq", text, {"constants/zz": bytes(4)})
    with pytest.raises(StoreError, match=r"x\.n2uq: not a readable .*: a width of 999 bits"):
        load(path)


@pytest.mark.parametrize("old", ["interface", " -> ", "s8[", "%x"])
def test_no_words_of_python(old: str, saved: Path, tmp_path: Path) -> None:
    """Parts that are missing are told as such, not as what Python's functions say of them."""
    with pytest.raises(StoreError) as caught:
        load(changed(saved, tmp_path / "x.n2uq", TEXT.replace(old, "", 1)))
    for words in ("unpack", "literal", "invalid", "NoneType", "argument", "object"):
        assert words not in str(caught.value)


def with_numbers(op: Op, number: int) -> Iterator[Op]:
    """Return the operation with each of its integers, one at a time, replaced."""
    for field in fields(op):
        value = getattr(op, field.name)
        if type(value) is int:
            yield replace(op, **{field.name: number})
        elif isinstance(value, tuple):
            for k, part in enumerate(value):
                if type(part) is int:
                    yield replace(op, **{field.name: (*value[:k], number, *value[k + 1 :])})


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**6, -1])
def test_numbers_of_operations_take_no_memory(number: int) -> None:
    """Whatever number a file gives: a program or an error, before anything of its size is made."""
    program, tried = one_of_each(), 0
    tracemalloc.start()
    for k, op in enumerate(program.ops):
        for other in with_numbers(op, number):
            tried += 1
            with suppress(IllegalOp):
                verify(replace(program, ops=(*program.ops[:k], other, *program.ops[k + 1 :])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tried > 50 and peak < 64 * 1024**2, (tried, peak)


def test_a_long_format_is_not_read_whole(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.n2uq"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("format", "\u202e" * 2_000_000)
        archive.writestr("program.txt", TEXT)
    calls = count_calls(lambda: refused(path))
    assert calls < 20_000


def refused(path: Path) -> None:
    with pytest.raises(StoreError, match="another version"):
        load(path)
