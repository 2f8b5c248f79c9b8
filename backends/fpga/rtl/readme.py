"""The page that explains a folder of hardware: ports, streams, time, cells, what to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from n2uqc.passes.program import IntType, Port
from n2uqc.passes.program.boundary import input_types, output_types

from ...templating import real_value, render
from ..design import Design
from ..engines import Source
from ..units.datapath import TOP, Datapath

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Stream:
    """A stream as its user connects it.

    Attributes:
        name: of the stream, without what follows ``_tdata``.
        port: the network's name of it.
        lanes: elements of a token.
        bits: of an element.
        signed: whether elements are two's complement.
        width: bits of ``tdata``.
        tokens: of an image.
        shape: height, width and channels.
        meaning: what an integer stands for.
    """

    name: str
    port: str
    lanes: int
    bits: int
    signed: bool
    width: int
    tokens: int
    shape: tuple[int, int, int]
    meaning: str


def readme(design: Design, datapath: Datapath) -> str:
    """Return the page, in Markdown."""
    timing, cells = design.timing, design.resources
    return render(
        _TEMPLATES,
        "README.md.j2",
        {
            "program": design.program.name,
            "top": TOP,
            "slaves": list(_slaves(design, datapath)),
            "masters": list(_masters(design, datapath)),
            "latency": timing.latency,
            "interval": timing.interval,
            "megahertz": design.clock_hz / 1e6,
            "rate": design.clock_hz / timing.interval,
            "family": design.family.id,
            "cells": cells,
        },
    )


def _slaves(design: Design, datapath: Datapath) -> Iterator[Stream]:
    entering = [e for e in datapath.pipeline.engines if isinstance(e, Source)]
    ports = input_types(design.program)
    rows = zip(datapath.slaves, entering, ports, datapath.in_bytes, strict=True)
    for name, engine, (port, tensor_type), bytes_ in rows:
        yield _stream(name, port, tensor_type, engine.out_lanes, bytes_)


def _masters(design: Design, datapath: Datapath) -> Iterator[Stream]:
    pipeline, ports = datapath.pipeline, output_types(design.program)
    rows = zip(datapath.masters, pipeline.sinks, ports, datapath.out_bytes, strict=True)
    for name, index, (port, tensor_type), bytes_ in rows:
        yield _stream(name, port, tensor_type, pipeline.engines[index].in_lanes, bytes_)


def _stream(name: str, port: Port, tensor_type: IntType, lanes: int, bytes_: int) -> Stream:
    return Stream(
        name,
        port.name,
        lanes,
        tensor_type.bits,
        tensor_type.signed,
        8 * bytes_,
        tensor_type.size // lanes,
        tensor_type.shape,
        _meaning(port, tensor_type),
    )


def _meaning(port: Port, tensor_type: IntType) -> str:
    if port.indices:
        return f"an index, {tensor_type.lo} to {tensor_type.hi}"
    if port.pixels:
        return f"a raw pixel, {tensor_type.lo} to {tensor_type.hi}"
    if tensor_type.scale is None:
        return f"an integer without one scale, {tensor_type.lo} to {tensor_type.hi}"
    return real_value(tensor_type)
