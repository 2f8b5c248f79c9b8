"""A program as one module: names of its kernels, what is told meanwhile, its workspace."""

from __future__ import annotations

from n2uqc.backends import find_target
from n2uqc.backends.cpu.model import build_model
from n2uqc.passes.plan_memory import plan_memory
from tests.properties.programs import Builder


def test_kernels_are_told_named_and_placed() -> None:
    b = Builder(3, 4, 3, 4, True)
    program = plan_memory(b.finish(b.concat(b.thresholds("x", 2), b.thresholds("x", 2))))
    told: list[str] = []
    model = build_model(program, "net", find_target("aarch64").processor, told.append)
    names = [choice.group.mnemonics for choice in model.choices]
    assert len(names) == 3
    assert told == [f"kernel {k} of 3: {name}" for k, name in enumerate(names, 1)]
    kernels = [f"net_k{k:02d}_{name}" for k, name in enumerate(names)]
    assert list(model.symbols[:3]) == kernels
    assert all(name.startswith("net_check") for name in model.symbols[3:])
    assert model.workspace_bytes == max(model.arena.size, 64)
    assert all(f"@{name}(" in model.entry for name in model.symbols)


def test_a_program_without_maps_between_its_kernels_still_has_a_workspace() -> None:
    b = Builder(3, 4, 3, 4, True)
    program = plan_memory(b.finish(b.thresholds("x", 2)))
    model = build_model(program, "net", find_target("aarch64").processor)
    assert (model.arena.size, model.workspace_bytes) == (0, 64)
