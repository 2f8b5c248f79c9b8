"""Everything that can run a program: interpreter, host binary, AArch64 binary, datapath."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import in_pieces, working

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.passes.program import Program

    from .progress import Runner


@dataclass(frozen=True)
class Executor:
    """One way to run a program.

    Attributes:
        name: as the user reads and writes it.
        summary: what runs, for tables.
        build: makes the runner for a program, writing what it needs into a folder; it or the
            runner raises ToolchainError where a tool is missing on this machine.
    """

    name: str
    summary: str
    build: Callable[[Program, Path], Runner]


@dataclass(frozen=True)
class Outcome:
    """What one executor did on a batch.

    Attributes:
        executor: which one.
        output: int64 (N, H, W, C), None where it could not run here.
        seconds: of running, without building.
        missing: why it could not run, "" where it did.
    """

    executor: Executor
    output: NDArray[Any] | None
    seconds: float = 0.0
    missing: str = ""


def _interpreter(program: Program, folder: Path) -> Runner:
    from n2uqc.passes.program import run

    return lambda x: run(program, x)


def _binary(target: str) -> Callable[[Program, Path], Runner]:
    def build(program: Program, folder: Path) -> Runner:
        from n2uqc.backends import compile as compile_program
        from n2uqc.backends import run_artifact

        place = folder / target
        compile_program(program, target=target).save(place)
        return lambda x: run_artifact(place, x)

    return build


def _datapath(program: Program, folder: Path) -> Runner:
    from n2uqc.backends.fpga import Simulator

    simulator = Simulator(program)
    return lambda x: simulator.run(x).output


EXECUTORS = (
    Executor("interpreter", "numpy interpreter: defines the program", _interpreter),
    Executor("host", "binary for this machine", _binary("host")),
    Executor("aarch64", "AArch64 binary", _binary("aarch64")),
    Executor("datapath", "simulated FPGA-style datapath", _datapath),
)


def executor_names() -> str:
    """What ``find_executor`` knows, for messages."""
    names = ", ".join(executor.name for executor in EXECUTORS)
    return f"{names}, and the processors that `n2uqc compile --target help` lists"


def find_executor(name: str) -> Executor | None:
    """The executor of a name; every processor target is one."""
    from n2uqc.backends import is_target

    for executor in EXECUTORS:
        if executor.name == name:
            return executor
    return Executor(name, f"binary for {name}", _binary(name)) if is_target(name) else None


def run_all(
    program: Program,
    x: NDArray[Any],
    folder: Path | None = None,
    executors: tuple[Executor, ...] = EXECUTORS,
    announce: Callable[[Executor], None] = lambda executor: None,
) -> list[Outcome]:
    """Run a batch through executors, with progress.

    Args:
        program: a lowered program.
        x: integers of the input's type, (N, H, W, C).
        folder: where binaries are built and left; a temporary folder by default.
        executors: which ones.
        announce: called with each before its work begins.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
            return run_all(program, x, Path(place), executors, announce)
    outcomes = []
    for executor in executors:
        announce(executor)
        outcomes.append(_run(executor, program, x, folder))
    return outcomes


def _run(executor: Executor, program: Program, x: NDArray[Any], folder: Path) -> Outcome:
    from n2uqc.backends import ToolchainError

    try:
        with working(f"building: {executor.summary}"):
            runner = executor.build(program, folder)
        start = time.perf_counter()
        output = in_pieces(runner, x, executor.summary)
    except ToolchainError as error:
        return Outcome(executor, None, missing=str(error))
    return Outcome(executor, output, time.perf_counter() - start)
