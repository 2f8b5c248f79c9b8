"""Kernels and register tiles taken at random, so that tests meet those that few networks choose."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest

from n2uqc.backends.cpu import choose as choosing
from n2uqc.backends.cpu import model
from n2uqc.backends.cpu.grouping import Group
from n2uqc.backends.cpu.kernels import gemm
from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.passes.program import Program


def any_kernel(monkeypatch: pytest.MonkeyPatch, source: random.Random) -> None:
    """Let the compiler take any possible kernel and tile, most often its own choice,
    in this test.
    """
    choose, micros = choosing.choose, gemm.MICROS

    def choice(group: Group, program: Program, vectors: Vectors) -> choosing.KernelChoice:
        first = type(group.ops[0]) if group.ops else None
        fitting = [
            choosing.KernelChoice(group, kernel, offer)
            for kernel in choosing.TABLE.get(first, ())
            if (offer := kernel.offer(group, program, vectors))
        ]
        own = choose(group, program, vectors)
        return source.choice([own, *fitting])

    def priced(micro: gemm.Micro) -> gemm.Micro:
        def plans(product: gemm.Gemm, vectors: Vectors) -> Iterator[gemm.Plan]:
            for plan in micro.plans(product, vectors):
                factor = source.choice([0.01, 0.1, 1, 10])
                yield dataclasses.replace(plan, instructions=plan.instructions * factor)

        return gemm.Micro(micro.name, plans)

    monkeypatch.setattr(model, "choose", choice)
    monkeypatch.setattr(gemm, "MICROS", tuple(map(priced, micros)))
