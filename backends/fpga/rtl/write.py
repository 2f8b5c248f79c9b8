"""The files of a datapath in hardware: Verilog, vectors, test bench, build script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2uqc.passes.program import IntType, Program, run

from ...templating import render
from ..design import Design
from ..hdl.amaranth import KEEP
from ..units.datapath import TOP, build_datapath
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
        timing model sees each output token leave, counted from the first token's),
        ``testbench.cpp`` (for Verilator), ``testbench.v`` (for Icarus), ``Makefile`` (simulation
        and synthesis).

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
    x = vectors(program, images, seed)
    source, sink = pipeline.engines[0], pipeline.engines[datapath.sink]
    given = tokens(x, source.out_lanes, source.output.bits)
    wanted = tokens(run(program, x), sink.in_lanes, sink.output.bits)
    timed = design.network.run(images, list(depths))
    edge = next(k for k, e in enumerate(pipeline.edges) if e.target == datapath.sink)
    part = slice(timed.offsets[edge], timed.offsets[edge] + timed.tokens[edge])
    cycles = timed.take_stamp[part].tolist()
    context = {
        "top": TOP,
        "keep": KEEP,
        "program": program.name,
        "images": images,
        "per_image": sink.cycles,
        "in_bytes": datapath.in_bytes,
        "out_bytes": datapath.out_bytes,
        "in_tokens": len(given),
        "out_tokens": len(wanted),
    }
    rendered = {
        name: render(TEMPLATES, f"{name}.j2", context).encode()
        for name in ("testbench.cpp", "testbench.v", "Makefile")
    }
    return {
        "datapath.v": verilog.encode(),
        "input.mem": _hex(given, 8 * datapath.in_bytes),
        "output.mem": _hex(wanted, 8 * datapath.out_bytes),
        "cycles.mem": "".join(f"{c}\n" for c in cycles).encode(),
        **rendered,
    }


def vectors(program: Program, images: int, seed: int) -> NDArray[np.int64]:
    """Inputs (N, H, W, C): all greatest, all least, then noise over the whole range."""
    kind = program.types[program.input]
    assert isinstance(kind, IntType)
    rng = np.random.default_rng(seed)
    x = rng.integers(kind.lo, kind.hi + 1, (images, *kind.shape), dtype=np.int64)
    x[:1], x[1:2] = kind.hi, kind.lo
    return x


def _hex(words: list[int], bits: int) -> bytes:
    return "".join(f"{word:0{bits // 4}x}\n" for word in words).encode()
