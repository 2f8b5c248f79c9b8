"""Program text: printed for people and golden tests, parsed back without loss."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from fractions import Fraction
from typing import Any

import numpy as np

from n2uqc.frontend.diagnostics import Unfit, reason

from .exact import Surd, parse_fraction
from .interface_text import (
    dump_host,
    dump_ports,
    join,
    parse_host,
    parse_int,
    parse_interface,
    parse_ints,
    parse_string,
    parse_strings,
)
from .names import IDENTIFIER, check_names
from .operation import OPS, ConstRef, IllegalOp, Op
from .program import MemoryPlan, Program
from .types import Constant, IntType, RealType, TensorType

_COMMON = {"output", "inputs", "origin"}


_LARGEST_EXPONENT = 1000

# What reading a line ends in that no program printed.
_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


class TextError(ValueError):
    """Program text that cannot be read; the message names the line."""


def _row(text: str) -> tuple[Surd, ...]:
    return tuple(Surd.parse(v) for v in text.strip("[]").split(",") if v)


# How an attribute of each annotation is written and read; no value holds a space.
_FORMATS: dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    "int": (str, parse_int),
    "str": (str, str),  # an expression
    "bool": (lambda v: str(v).lower(), lambda s: s == "true"),
    "ConstRef": (lambda v: f"@{v}", lambda s: ConstRef(s.removeprefix("@"))),
    "Pair": (lambda v: f"({join(v)})", parse_ints),
    "Pads": (lambda v: f"({join(v)})", parse_ints),
    "Pads | None": (lambda v: f"({join(v)})", parse_ints),
    "Row": (lambda v: f"[{join(v)}]", _row),
    "Table": (
        lambda v: f"[{';'.join(join(r) for r in v)}]",
        lambda s: tuple(_row(r) for r in s.strip("[]").split(";")),
    ),
    "Rules": (
        lambda v: f"[{';'.join(''.join('>' if s else '=' for s in r) for r in v)}]",
        lambda s: tuple(tuple(c == ">" for c in r) for r in s.strip("[]").split(";") if r),
    ),
    "Surd": (str, Surd.parse),
    "Surd | None": (str, lambda s: None if s == "None" else Surd.parse(s)),
}


def _attributes(op: Op) -> str:
    parts = []
    for f in fields(op):
        value = getattr(op, f.name)
        if f.name not in _COMMON and (f.default is MISSING or value != f.default):
            parts.append(f" {f.name}={_FORMATS[str(f.type)][0](value)}")
    return "".join(parts)


def hash_of(constant: Constant) -> str:
    """Return what stands for a constant's values in text without them:
    ``sha256:`` and 16 digits.
    """
    little_endian = constant.values.astype("<f8" if constant.encoding == "real" else "<i8")
    return f"sha256:{hashlib.sha256(little_endian.tobytes()).hexdigest()[:16]}"


def _values(constant: Constant, inline: bool) -> str:
    flat = constant.values.ravel()
    if not inline:
        return hash_of(constant)
    if constant.encoding == "real":
        return " ".join(float(v).hex() for v in flat)
    return " ".join(map(str, flat.tolist()))


def dump(program: Program, *, inline: bool = True) -> str:
    """Return the program as text.

    Args:
        program: any program, lowered or not.
        inline: write constants' values; otherwise only their hashes (then it does not parse).
    """
    face = program.interface
    lines = [
        f"program {program.name}",
        f"interface {dump_ports(face.inputs)} -> {dump_ports(face.outputs)}",
        *(f"metadata {k} = {json.dumps(v)}" for k, v in program.metadata.items()),
        *(f"note {json.dumps(n)}" for n in program.notes),
        *([] if program.host is None else [dump_host(program.host, inline)]),
        *(f"input %{name} : {program.types[name]}" for name in program.inputs),
    ]
    for op in program.ops:
        operands = ", ".join(f"%{i}" for i in op.inputs)
        origin = f" from {json.dumps(list(op.origin))}" if op.origin else ""
        lines.append(
            f"%{op.output} = {op.mnemonic}({operands}){_attributes(op)} : "
            f"{program.types[op.output]}{origin}"
        )
    lines += [f"output %{name}" for name in program.outputs]
    if program.plan is not None:
        slots = "".join(f" %{k}={v}" for k, v in program.plan.offsets.items())
        lines.append(f"plan {program.plan.size}{slots}")
    for name, c in program.constants.items():
        lines.append(f"@{name} : {c.stored_as}[{join(c.values.shape)}] = {_values(c, inline)}")
    return "\n".join(lines) + "\n"


_NAME = IDENTIFIER.pattern
_TYPE = re.compile(
    r"(?P<sign>[su])(?P<bits>\d+)\[(?P<shape>[\d,]+)\] in \[(?P<lo>-?\d+), (?P<hi>-?\d+)\]"
    r"(?: scale (?P<scale>\S+))?(?: error (?P<error>\S+))?"
)
_OP = re.compile(
    rf"%(?P<out>{_NAME}) = (?P<op>\w+)\((?P<args>[^)]*)\)(?P<attrs>(?: \w+=\S+)*) : "
    r"(?P<type>[^\"]*?)(?: from (?P<origin>\[\".*\]))?$"
)
_CONST = re.compile(
    rf"@(?P<name>{_NAME}) : (?P<kind>[a-z]+)(?P<bits>\d*)\[(?P<shape>[\d,]*)\] = (?P<values>.*)"
)


def _number(text: str) -> Fraction:
    """Return a number of a size that real arithmetic can take up, and not 0."""
    value = parse_fraction(text)
    size = value.numerator.bit_length() - value.denominator.bit_length()
    if not value or abs(size) > _LARGEST_EXPONENT:
        raise Unfit(f"{text[:40]} is 0, or no number that float64 holds")
    return value


def _positive(text: str) -> Fraction:
    """Return an error, as a number above 0."""
    if text.startswith("-"):
        raise Unfit(f"{text[:40]} is not positive")
    return _number(text)


def _parse_type(text: str) -> TensorType:
    if text.startswith("real["):
        return RealType(parse_ints(text[5:-1]))  # type: ignore[arg-type]
    m = _TYPE.fullmatch(text)
    if m is None:
        raise TextError(f"not a type: {text}")
    return IntType(
        parse_ints(m["shape"]),  # type: ignore[arg-type]
        parse_int(m["bits"]),
        m["sign"] == "s",
        parse_int(m["lo"]),
        parse_int(m["hi"]),
        _number(m["scale"]) if m["scale"] else None,
        _positive(m["error"]) if m["error"] else Fraction(0),
    )


def _parse_op(m: re.Match[str]) -> Op:
    cls = OPS.get(m["op"])
    if cls is None:
        raise TextError(f"unknown operation {m['op']}")
    annotations = {f.name: str(f.type) for f in fields(cls)}
    attributes = {}
    for part in m["attrs"].split():
        key, _, value = part.partition("=")
        if key not in annotations:
            raise TextError(f"{m['op']} has no attribute {key}")
        attributes[key] = _FORMATS[annotations[key]][1](value)
    return cls(
        output=m["out"],
        inputs=tuple(a.strip().removeprefix("%") for a in m["args"].split(",") if a.strip()),
        origin=parse_strings(m["origin"]) if m["origin"] else (),
        **attributes,
    )


def _parse_constant(m: re.Match[str]) -> Constant:
    if m["values"].startswith("sha256:"):
        raise TextError(f"@{m['name']}: the text holds only the hash of the values")
    shape, words = parse_ints(m["shape"]), m["values"].split()
    if m["kind"] == "real":
        return Constant.real(np.array([float.fromhex(w) for w in words]).reshape(shape))
    values = np.array([int(w) for w in words], dtype=np.int64).reshape(shape)
    return Constant(values, m["kind"], int(m["bits"]))


def parse(
    text: str, constants: dict[str, Constant] | None = None, host: bytes | None = None
) -> Program:
    """Read program text.

    Args:
        text: what ``dump`` wrote.
        constants: values from elsewhere (the store), instead of inline ones.
        host: the ONNX model of the host's part, from elsewhere.

    Raises:
        TextError: naming the first line that cannot be read, or the name that cannot stand.
    """
    parts: dict[str, Any] = {"inputs": [], "outputs": [], "metadata": {}, "notes": [], "ops": []}
    parts |= {"plan": None, "host": None, "host data": host}
    types: dict[str, TensorType] = {}
    consts: dict[str, Constant] = dict(constants or {})
    for number, line in enumerate(text.splitlines(), 1):
        try:
            _parse_line(line.strip(), parts, types, consts)
        except _UNREADABLE as error:
            raise TextError(f"line {number}: {reason(error)}: {line[:120]}") from None
    missing = {"name", "interface"} - parts.keys()
    missing |= {name for name in ("inputs", "outputs") if not parts[name]}
    if missing:
        raise TextError(f"the text ends without: {', '.join(sorted(missing))}")
    program = Program(
        parts["name"],
        parts["interface"],
        tuple(parts["inputs"]),
        tuple(parts["outputs"]),
        types,
        tuple(parts["ops"]),
        consts,
        parts["plan"],
        parts["metadata"],
        tuple(parts["notes"]),
        parts["host"],
    )
    try:
        check_names(program)
    except IllegalOp as error:
        raise TextError(str(error)) from None
    return program


def _parse_line(
    line: str, parts: dict[str, Any], types: dict[str, TensorType], consts: dict[str, Constant]
) -> None:
    word, _, rest = line.partition(" ")
    if not line or line.startswith("#"):
        return
    if word == "program":
        parts["name"] = rest
    elif word == "interface":
        parts["interface"] = parse_interface(rest)
    elif word == "metadata":
        key, _, value = rest.partition(" = ")
        parts["metadata"][key] = parse_string(value)
    elif word == "host":
        if parts["host"] is not None:
            raise Unfit("a second part of the host")
        parts["host"] = parse_host(rest, parts["host data"])
    elif word == "note":
        parts["notes"].append(parse_string(rest))
    elif word == "input":
        name, _, type_text = rest.partition(" : ")
        name = name.removeprefix("%")
        if name in types:
            raise TextError(f"%{name} is defined twice")
        parts["inputs"].append(name)
        types[name] = _parse_type(type_text)
    elif word == "output":
        parts["outputs"].append(rest.removeprefix("%"))
    elif word == "plan":
        size, *slots = rest.split()
        pairs = (s.removeprefix("%").partition("=") for s in slots)
        parts["plan"] = MemoryPlan({k: parse_int(v) for k, _, v in pairs}, parse_int(size))
    elif m := _OP.fullmatch(line):
        op = _parse_op(m)
        if op.output in types:
            raise TextError(f"%{op.output} is defined twice")
        parts["ops"].append(op)
        types[op.output] = _parse_type(m["type"])
    elif m := _CONST.fullmatch(line):
        consts[m["name"]] = _parse_constant(m)
    else:
        raise TextError("not a line of a program")
