"""The datapath as data: engines and FIFOs with sizes and cycles, for `compile --target fpga`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .engines import Engine, WindowTiming
from .pipeline import Pipeline
from .timing import EngineTiming, Timing


def describe(pipeline: Pipeline, timing: Timing) -> dict[str, Any]:
    """Return engines and FIFOs with their sizes and cycles, ready for JSON.

    Widths are in bits, times in cycles (of the cycle-accurate simulation, ``EngineTiming``);
    engines are in stream order, and a FIFO names the engines at its ends.
    """
    names = [engine.name for engine in pipeline.engines]
    return {
        "program": pipeline.program.name,
        "latency_cycles": timing.latency,
        "interval_cycles": timing.interval,
        "engines": [_engine(*pair) for pair in zip(pipeline.engines, timing.engines, strict=True)],
        "fifos": [
            {
                "from": names[edge.source],
                "to": names[edge.target],
                "tensor": edge.tensor,
                "lanes": edge.lanes,
                "bits": edge.bits,
                "depth": depth,
                "occupancy": most,
            }
            for edge, depth, most in zip(
                pipeline.edges, timing.depths, timing.occupancy, strict=True
            )
        ],
    }


def _engine(engine: Engine, timing: EngineTiming) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": engine.name,
        "kind": engine.kind,
        **asdict(timing),
        "register_stages": engine.timing.latency,
        "in_lanes": engine.in_lanes,
        "out_lanes": engine.out_lanes,
        "bits": engine.output.bits,
        "signed": engine.output.signed,
    }
    if engine.op is not None:
        row |= {
            "nodes": list(engine.op.origin),
            "pe": engine.fold.pe,
            "simd": engine.fold.simd,
            "input_bits": [tensor_type.bits for tensor_type in engine.inputs],
            "constant_bits": sum(
                engine.constants[name].storage_bits for name in engine.op.constant_names()
            ),
        }
    if isinstance(engine.timing, WindowTiming):
        words = engine.timing.buffer_words
        row["line_buffer_bits"] = words * engine.in_lanes * engine.inputs[0].bits
    return row
