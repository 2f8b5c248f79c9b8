"""The files of a datapath in hardware: Verilog, vectors, test bench, build script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import Program, run
from n2uqc.passes.program.boundary import input_types

from ...templating import render
from ..design import Design
from ..engines import Source
from ..hdl.amaranth import KEEP
from ..units.datapath import TOP, build_datapath
from .readme import readme
from .vectors import tokens
from .verilog import to_verilog

TEMPLATES = Path(__file__).parent / "templates"
IMAGES = 3
"""In the vectors: pictures of noise, the first of the greatest, the second of the least values."""


def emit(
    design: Design,
    *,
    images: int = IMAGES,
    seed: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, bytes]:
    """Write a datapath as hardware.

    Args:
        design: the datapath.
        images: in the vectors.
        seed: of their noise.
        progress: told what is being worked on.

    Returns:
        content by file name: ``datapath.v`` (top module ``n2uq_datapath``), ``input.mem`` and
        ``output.mem`` (tokens in hex, the interpreter's), ``cycles.mem`` (the cycle in which the
        timing model sees each output token leave, counted from the first token's; where there are
        several inputs or outputs, a file for each, as ``input_image.mem``),
        ``testbench.cpp`` (for Verilator), ``testbench.v`` (for Icarus), ``Makefile`` (simulation
        and synthesis), ``README.md`` (ports, streams, time, cells).

    Raises:
        ToolchainError: there is no yosys.
    """
    program, pipeline = design.program, design.pipeline
    progress("sizing FIFOs")
    depths = design.depths
    datapath = build_datapath(pipeline, depths, design.style)
    progress("writing Verilog (yosys; its first run on a machine takes a minute or two)")
    verilog = to_verilog(datapath.module)
    progress("computing vectors")
    files: dict[str, bytes] = {}
    x = vectors(program, images, seed)
    y = list(run(program, x).values())
    timed = design.network.run(images, list(depths))
    sources: list[dict[str, Any]] = []
    entering = [engine for engine in pipeline.engines if isinstance(engine, Source)]
    for k, (name, port) in enumerate(zip(datapath.slaves, x, strict=True)):
        engine, bytes_ = entering[k], datapath.in_bytes[k]
        given = tokens(x[port], engine.out_lanes, engine.output.bits)
        file = f"input{name.removeprefix('s_axis')}.mem"
        sources.append({"name": name, "bytes": bytes_, "tokens": len(given), "file": file})
        files[file] = _hex(given, 8 * bytes_)
    sinks: list[dict[str, Any]] = []
    for k, (name, index) in enumerate(zip(datapath.masters, pipeline.sinks, strict=True)):
        leaving, bytes_ = pipeline.engines[index], datapath.out_bytes[k]
        wanted = tokens(y[k], leaving.in_lanes, leaving.output.bits)
        edge = next(k for k, e in enumerate(pipeline.edges) if e.target == index)
        part = slice(timed.offsets[edge], timed.offsets[edge] + timed.tokens[edge])
        cycles = timed.take_stamp[part].tolist()
        suffix = name.removeprefix("m_axis")
        sink = {"name": name, "bytes": bytes_, "tokens": len(wanted), "per_image": leaving.cycles}
        sinks.append({**sink, "file": f"output{suffix}.mem", "stamps": f"cycles{suffix}.mem"})
        files[f"output{suffix}.mem"] = _hex(wanted, 8 * bytes_)
        files[f"cycles{suffix}.mem"] = "".join(f"{c}\n" for c in cycles).encode()
    context = {
        "top": TOP,
        "keep": KEEP,
        "program": program.name,
        "images": images,
        "sources": sources,
        "sinks": sinks,
    }
    rendered = {
        name: render(TEMPLATES, f"{name}.j2", context).encode()
        for name in ("testbench.cpp", "testbench.v", "Makefile")
    }
    return {
        "README.md": readme(design, datapath).encode(),
        "datapath.v": verilog.encode(),
        **files,
        **rendered,
    }


def vectors(program: Program, images: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Return inputs by name (N, H, W, C): all greatest, all least, then noise over the whole
    range.
    """
    rng, given = np.random.default_rng(seed), {}
    for port, tensor_type in input_types(program):
        x = rng.integers(
            tensor_type.lo, tensor_type.hi + 1, (images, *tensor_type.shape), dtype=np.int64
        )
        x[:1], x[1:2] = tensor_type.hi, tensor_type.lo
        given[port.name] = x
    return given


def _hex(words: list[int], bits: int) -> bytes:
    return "".join(f"{word:0{bits // 4}x}\n" for word in words).encode()
