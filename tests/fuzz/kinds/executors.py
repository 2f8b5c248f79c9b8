"""Random programs through every executor: interpreter, this machine, datapath, a target in turn.

A case has several programs, drawn by its seed, which are linked into one executable for the target,
to save starts of compilers and emulators.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import find_target, toolchain
from n2uqc.backends.fpga import simulate
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Conv, IllegalOp, Program, run
from tests.backends.cpu.any_kernel import any_kernel
from tests.backends.cpu.host import Host
from tests.properties.awkward import awkward_programs
from tests.properties.programs import programs

from ..drawing import drawn
from ..judge import Wrong
from ..linked import TARGETS, outputs_on
from ..workers import Limits, Say
from .input_kind import Kind, Setup

_WEIGHTS = 10_000
COUNT = 4
"""Programs of one case."""


class Executors(Kind):
    """The content of a case is its seed and its target; the programs are drawn from them."""

    def prepare(self, setup: Setup) -> None:
        """Compilers are tried once, not in each worker."""
        toolchain.host()
        for target in TARGETS:
            toolchain.find(find_target(target).processor.architecture)

    def content(self, seed: int, case: int) -> bytes:
        drawn = random.Random(f"{seed}/{self.name}/{case}").getrandbits(32)
        return f"{drawn} {TARGETS[case % len(TARGETS)]}".encode()

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        seed, target, *which = content.decode().split()
        cases = small_programs(int(seed))
        cases = [cases[int(k)] for k in which] if which else cases
        try:
            self._executed(cases, target, random.Random(seed), place)
        except (CompileError, IllegalOp) as error:
            raise Wrong(f"a legal program is refused\n{error}") from error
        return target

    def _executed(
        self,
        cases: list[tuple[Program, np.ndarray]],
        target: str,
        source: random.Random,
        place: Path,
    ) -> None:
        wanted = [run(program, x) for program, x in cases]
        with pytest.MonkeyPatch.context() as patch:
            any_kernel(patch, source)
            for (program, x), want in zip(cases, wanted, strict=True):
                os.makedirs(place / "host", exist_ok=True)
                _same(Host(program, place / "host")(x), want, "host library", program)
                _same(simulate(program, x).output, want, "datapath", program)
            for (program, _), want, y in zip(
                cases, wanted, outputs_on(target, cases, place), strict=True
            ):
                _same(y, want, target, program)

    def smaller(self, content: bytes):  # type: ignore[no-untyped-def]
        seed, target, *which = content.decode().split()
        if not which:
            for k in range(len(small_programs(int(seed)))):
                yield f"{seed} {target} {k}".encode()


def small_programs(seed: int) -> list[tuple[Program, np.ndarray]]:
    """Programs with inputs; without those whose code takes LLVM seconds.

    Each has a seed of its own: examples of one run of hypothesis are variations of each other.
    """
    found: list[tuple[Program, np.ndarray]] = []
    for k in range(3 * COUNT):
        try:
            ((program, x),) = drawn(programs() | awkward_programs(), seed + k, 1)
        except IllegalOp:  # sums beyond 63 bits, which drawing does not always avoid
            continue
        weights = (program.constants[op.weight] for op in program.ops if isinstance(op, Conv))
        if sum(constant.values.size for constant in weights) <= _WEIGHTS:
            found.append((program, x))
        if len(found) == COUNT:
            break
    return found


def _same(found: np.ndarray, want: np.ndarray, name: str, program: Program) -> None:
    if found.shape != want.shape or not np.array_equal(found, want):
        count = int((found != want).sum()) if found.shape == want.shape else want.size
        raise Wrong(f"{name} differs from the interpreter\n{count} of {want.size} values")


EXECUTORS = Executors(
    "executors",
    full=304,
    share=0.26,
    brief=1,
    batch=8,
    units=COUNT,
    suffix=".txt",
    limits=Limits(seconds=120, memory=4 << 30, address_space=False),
)
