"""A pipeline's hardware in Amaranth's own simulator: no external tool is needed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from n2uqc.backends.fpga.hdl.amaranth import Hardware
from n2uqc.backends.fpga.hdl.families import FAMILIES
from n2uqc.backends.fpga.pipeline import Pipeline
from n2uqc.backends.fpga.rtl.vectors import tokens, values
from n2uqc.backends.fpga.units import Style
from n2uqc.backends.fpga.units.datapath import build_datapath
from n2uqc.passes.program import Add, Clamp, Program, SumPool

from ...properties.programs import Builder


@dataclass
class Seen:
    """What the hardware did.

    Attributes:
        entered, left: cycles in which each token came into and left each FIFO.
        output: int64 (N, H, W, C).
    """

    entered: list[list[int]]
    left: list[list[int]]
    output: np.ndarray[Any, Any]


def simulate(
    pipeline: Pipeline,
    depths: list[int],
    x: np.ndarray[Any, Any],
    *,
    limit: int,
    stall: np.random.Generator | None = None,
    forms: np.random.Generator | None = None,
) -> Seen:
    """Step the hardware's clock until all results are out.

    Args:
        pipeline: the pipeline to build.
        depths: depths of the FIFOs.
        x: the input, int64 (N, H, W, C).
        limit: cycles after which the test fails.
        forms: generator that chooses the form of each engine and the family that it is for.
        stall: generator that makes both ends of the stream wait at random.
    """
    if forms is None:
        datapath = build_datapath(pipeline, depths)
    else:
        family = FAMILIES[str(forms.choice(sorted(FAMILIES)))]
        datapath = build_datapath(
            pipeline, depths, lambda k: Style(str(forms.choice(pipeline.engines[k].forms)), family)
        )
    hardware = Hardware(datapath.module)
    port = hardware.ports
    fifos = [hardware.inner[fifo.name].ports for fifo in datapath.fifos]
    source = next(e for e in pipeline.engines if e.kind == "source")
    sink = pipeline.engines[pipeline.sinks[0]]
    words = tokens(x, source.lanes, source.output.bits)
    expected = len(x) * sink.cycles
    entered, left = ([[] for _ in datapath.fifos] for _ in range(2))
    given: list[int] = []
    total = [len(x) * e.tokens for e in pipeline.edges]

    async def bench(ctx: Any) -> None:
        sent = 0
        for cycle in range(limit):
            send = sent < len(words) and (stall is None or stall.random() < 0.6)
            ready = stall is None or bool(stall.random() < 0.6)
            ctx.set(port["s_axis_tvalid"], send)
            ctx.set(port["s_axis_tdata"], words[sent] if send else 0)
            ctx.set(port["m_axis_tready"], ready)
            sent += int(send and ctx.get(port["s_axis_tready"]))
            for k, fifo in enumerate(fifos):
                if ctx.get(fifo["enter"]):
                    entered[k].append(cycle)
                if ctx.get(fifo["take"]):
                    left[k].append(cycle)
            if ready and ctx.get(port["m_axis_tvalid"]):
                given.append(ctx.get(port["m_axis_tdata"]))
                assert ctx.get(port["m_axis_tlast"]) == (len(given) % sink.cycles == 0)
            if len(given) == expected and [len(v) for v in left] == total:
                return
            await ctx.tick()
        raise AssertionError(f"{len(given)} of {expected} tokens after {limit} cycles")

    simulator = Simulator(hardware)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return Seen(entered, left, values(given, len(x), sink.in_lanes, sink.output))


def residual() -> Program:
    """Return stem, residual block, strided window, pool and head: 8 channels, 8x8."""
    b = Builder(11, 8, 3, 8, False)

    def scaled(x: str) -> str:
        old = b.types[x]
        b.types[x] = type(old).ranged(old.shape, old.lo, old.hi, Fraction(1, 64))
        return x

    def block(x: str, kernel: int) -> str:
        return b.conv(b.thresholds(x, 2), 8, bits=2, kernel=kernel)

    stream = scaled(
        b.add(Clamp, b.requantize(b.conv("x", 8, bits=7, odd=False, kernel=3)), lo=0, hi=20000)
    )
    branch = b.requantize(block(block(stream, 1), 1))
    stream = b.prelu(scaled(b.add(Add, branch, stream)))
    stream = b.requantize(block(stream, 3))
    stream = b.add(SumPool, stream, kernel=(3, 3), stride=(2, 2), pads=(1,) * 4, counted=(0,) * 4)
    stream = b.add(SumPool, stream, kernel=b.types[stream].shape[:2])
    return b.finish(b.requantize(b.conv(stream, 10, bits=7, odd=False, kernel=1), 32))
