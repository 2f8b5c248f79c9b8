"""Program text: printed for people and golden tests, parsed back without loss."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np

from .exact import Surd, parse_fraction
from .interface import Interface, Port
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


def _int(text: str) -> int:
    """Return an integer of at most 64 bits, which all are that a program holds."""
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**64:
        raise ValueError(f"{text[:40]} is no integer of 64 bits")
    return value


def _string(text: str) -> str:
    """Return a string of JSON."""
    value = json.loads(text)
    if not isinstance(value, str):
        raise ValueError(f"{text[:40]} is not a string")
    return value


def _strings(text: str) -> tuple[str, ...]:
    """Return a list of strings of JSON."""
    value = json.loads(text)
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise ValueError(f"{text[:40]} is not a list of strings")
    return tuple(value)


def _ints(text: str) -> tuple[int, ...]:
    return tuple(_int(v) for v in text.strip("()[]").split(",") if v)


def _row(text: str) -> tuple[Surd, ...]:
    return tuple(Surd.parse(v) for v in text.strip("[]").split(",") if v)


def _join(values: Any) -> str:
    return ",".join(str(v) for v in values)


# How an attribute of each annotation is written and read; no value holds a space.
_FORMATS: dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    "int": (str, _int),
    "str": (str, str),  # an expression
    "bool": (lambda v: str(v).lower(), lambda s: s == "true"),
    "ConstRef": (lambda v: f"@{v}", lambda s: ConstRef(s.removeprefix("@"))),
    "Pair": (lambda v: f"({_join(v)})", _ints),
    "Pads": (lambda v: f"({_join(v)})", _ints),
    "Pads | None": (lambda v: f"({_join(v)})", _ints),
    "Row": (lambda v: f"[{_join(v)}]", _row),
    "Table": (
        lambda v: f"[{';'.join(_join(r) for r in v)}]",
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
        f"interface {_ports(face.inputs)} -> {_ports(face.outputs)}",
        *(f"metadata {k} = {json.dumps(v)}" for k, v in program.metadata.items()),
        *(f"note {json.dumps(n)}" for n in program.notes),
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
        lines.append(f"@{name} : {c.kind}[{_join(c.values.shape)}] = {_values(c, inline)}")
    return "\n".join(lines) + "\n"


def _ports(ports: tuple[Port, ...]) -> str:
    """Return one side of the interface, as ``"image" [3,8,8] pixels, "mask" [1,8,8]``."""
    texts = (
        " ".join([json.dumps(port.name), f"[{_join(port.shape)}]", *port.flags]) for port in ports
    )
    return ", ".join(texts)


_NAME = IDENTIFIER.pattern
_SHAPE = re.compile(r" \[([\d,]*)\]((?: [a-z_]+)*)")
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


def _positive(text: str) -> Fraction:
    """Return a scale or an error: of a size that real arithmetic can take up."""
    value = parse_fraction(text)
    size = value.numerator.bit_length() - value.denominator.bit_length()
    if value <= 0 or abs(size) > _LARGEST_EXPONENT:
        raise ValueError(f"{text[:40]} is no positive number that float64 holds")
    return value


def _parse_ports(text: str) -> tuple[list[Port], str]:
    """Return the ports at the beginning of a text, and the text behind them."""
    ports: list[Port] = []
    while True:
        name, end = json.JSONDecoder().raw_decode(text)
        m = _SHAPE.match(text, end)
        if not isinstance(name, str):
            raise ValueError(f"{text[:40]} is not a string")
        if m is None:
            raise ValueError(f"no shape: {text[:40]}")
        ports.append(Port(name, _ints(m[1]), **dict.fromkeys(m[2].split(), True)))
        text = text[m.end() :]
        if not text.startswith(", "):
            return ports, text
        text = text[2:]


def _parse_interface(text: str) -> Interface:
    """Return the interface of a line.

    Programs of format 1 have one input and one output, and all options at the end of the line.
    """
    *line, last = text.rpartition("]")
    old = {"input_channels_last", "output_channels_last", "pixels"} & set(last.split())
    sources, rest = _parse_ports("".join(line) if old else text)
    if not rest.startswith(" -> "):
        raise ValueError("no outputs")
    results, rest = _parse_ports(rest[4:])
    if rest:
        raise ValueError(f"something behind the outputs: {rest[:40]}")
    if old:
        (source,), (result,) = sources, results
        source = replace(source, channels_last="input_channels_last" in old, pixels="pixels" in old)
        result = replace(result, channels_last="output_channels_last" in old)
        return Interface((source,), (result,))
    return Interface(tuple(sources), tuple(results))


def _parse_type(text: str) -> TensorType:
    if text.startswith("real["):
        return RealType(_ints(text[5:-1]))  # type: ignore[arg-type]
    m = _TYPE.fullmatch(text)
    if m is None:
        raise TextError(f"not a type: {text}")
    return IntType(
        _ints(m["shape"]),  # type: ignore[arg-type]
        _int(m["bits"]),
        m["sign"] == "s",
        _int(m["lo"]),
        _int(m["hi"]),
        _positive(m["scale"]) if m["scale"] else None,
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
        origin=_strings(m["origin"]) if m["origin"] else (),
        **attributes,
    )


def _parse_constant(m: re.Match[str]) -> Constant:
    if m["values"].startswith("sha256:"):
        raise TextError(f"@{m['name']}: the text holds only the hash of the values")
    shape, words = _ints(m["shape"]), m["values"].split()
    if m["kind"] == "real":
        return Constant.real(np.array([float.fromhex(w) for w in words]).reshape(shape))
    values = np.array([int(w) for w in words], dtype=np.int64).reshape(shape)
    return Constant(values, m["kind"], int(m["bits"]))


def parse(text: str, constants: dict[str, Constant] | None = None) -> Program:
    """Read program text.

    Args:
        text: what ``dump`` wrote.
        constants: values from elsewhere (the store), instead of inline ones.

    Raises:
        TextError: naming the first line that cannot be read, or the name that cannot stand.
    """
    parts: dict[str, Any] = {"inputs": [], "outputs": [], "metadata": {}, "notes": [], "ops": []}
    parts["plan"] = None
    types: dict[str, TensorType] = {}
    consts: dict[str, Constant] = dict(constants or {})
    for number, line in enumerate(text.splitlines(), 1):
        try:
            _parse_line(line.strip(), parts, types, consts)
        except _UNREADABLE as error:
            raise TextError(f"line {number}: {error}: {line[:120]}") from None
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
        parts["interface"] = _parse_interface(rest)
    elif word == "metadata":
        key, _, value = rest.partition(" = ")
        parts["metadata"][key] = _string(value)
    elif word == "note":
        parts["notes"].append(_string(rest))
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
        pairs = (s.removeprefix("%").rsplit("=", 1) for s in slots)
        parts["plan"] = MemoryPlan({k: _int(v) for k, v in pairs}, _int(size))
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
