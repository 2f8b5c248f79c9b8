"""A module of hardware stepped in Amaranth's simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.sim import Simulator

from n2uqc.backends.fpga.hdl.amaranth import Hardware
from n2uqc.backends.fpga.hdl.module import Module


def drive(module: Module, inputs: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    """The outputs in each cycle, before its clock edge, for the inputs of each cycle."""
    hardware, seen = Hardware(module), []

    async def bench(ctx: Any) -> None:
        for given in inputs:
            for name, value in given.items():
                ctx.set(hardware.ports[name], value)
            if module.registers or module.memories or module.tables or module.instances:
                seen.append({name: ctx.get(hardware.ports[name]) for name in module.outputs})
                await ctx.tick()
            else:
                await ctx.delay(1e-6)
                seen.append({name: ctx.get(hardware.ports[name]) for name in module.outputs})

    simulator = Simulator(hardware)
    if module.registers or module.memories or module.tables or module.instances:
        simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen
