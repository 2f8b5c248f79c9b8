"""How names, shapes, inputs and outputs are written in program text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from n2uqc.frontend.diagnostics import Unfit
from n2uqc.frontend.host_model import HostModel

from .interface import Interface, Port

_SHAPE = re.compile(r" \[([\d,]*)\]((?: [a-z_]+)*)")


def parse_int(text: str) -> int:
    """Return an integer of at most 64 bits, which all are that a program holds."""
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**64:
        raise Unfit(f"{text[:40]} is no integer of 64 bits")
    return value


def parse_string(text: str) -> str:
    """Return a string of JSON."""
    value = json.loads(text)
    if not isinstance(value, str):
        raise Unfit(f"{text[:40]} is not a string")
    return value


def parse_strings(text: str) -> tuple[str, ...]:
    """Return a list of strings of JSON."""
    value = json.loads(text)
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise Unfit(f"{text[:40]} is not a list of strings")
    return tuple(value)


def parse_ints(text: str) -> tuple[int, ...]:
    return tuple(parse_int(v) for v in text.strip("()[]").split(",") if v)


def join(values: Any) -> str:
    return ",".join(str(v) for v in values)


def dump_ports(ports: tuple[Port, ...]) -> str:
    """Return one side of the interface, as ``"image" [3,8,8] pixels, "mask" [1,8,8]``."""
    texts = (
        " ".join([json.dumps(port.name), f"[{join(port.shape)}]", *port.flags]) for port in ports
    )
    return ", ".join(texts)


def _parse_ports(text: str) -> tuple[list[Port], str]:
    """Return the ports at the beginning of a text, and the text behind them."""
    ports: list[Port] = []
    while True:
        name, end = json.JSONDecoder().raw_decode(text)
        m = _SHAPE.match(text, end)
        if not isinstance(name, str):
            raise Unfit(f"{text[:40]} is not a string")
        if m is None:
            raise Unfit(f"no shape: {text[:40]}")
        ports.append(Port(name, parse_ints(m[1]), **dict.fromkeys(m[2].split(), True)))
        text = text[m.end() :]
        if not text.startswith(", "):
            return ports, text
        text = text[2:]


def parse_interface(text: str) -> Interface:
    """Return the interface of a line.

    Programs of format 1 have one input and one output, and all options at the end of the line.
    """
    *line, last = text.rpartition("]")
    old = {"input_channels_last", "output_channels_last", "pixels"} & set(last.split())
    sources, rest = _parse_ports("".join(line) if old else text)
    if not rest.startswith(" -> "):
        raise Unfit("no outputs")
    results, rest = _parse_ports(rest[4:])
    if rest:
        raise Unfit(f"something behind the outputs: {rest[:40]}")
    if old:
        (source,), (result,) = sources, results
        source = replace(source, channels_last="input_channels_last" in old, pixels="pixels" in old)
        result = replace(result, channels_last="output_channels_last" in old)
        return Interface((source,), (result,))
    return Interface(tuple(sources), tuple(results))


def dump_host(host: HostModel, inline: bool) -> str:
    """Return the line of the host's part: its ONNX model, or what stands for it."""
    data = base64.b64encode(host.data).decode() if inline else hash_of_bytes(host.data)
    return f"host {host.batch} {json.dumps(list(host.outputs))} {data}"


def hash_of_bytes(data: bytes) -> str:
    """Return what stands for bytes in text without them."""
    return f"sha256:{hashlib.sha256(data).hexdigest()[:16]}"


def parse_host(text: str, data: bytes | None) -> HostModel:
    """Return the host's part of a line.

    Args:
        text: what ``dump_host`` wrote.
        data: the ONNX model, where the text has only its hash.
    """
    batch, _, behind = text.partition(" ")
    names, told = behind.rsplit(" ", 1)
    if data is None:
        data = base64.b64decode(told, validate=True)
    elif told != hash_of_bytes(data):
        raise Unfit(f"the host's part is not what was saved: the text says {told[:40]}")
    return HostModel(data, parse_strings(names), parse_int(batch))
