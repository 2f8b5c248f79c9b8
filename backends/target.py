"""What a target is: something that programs can be compiled for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from n2uqc.frontend.diagnostics import CompileError, Problem

from .artifact import Artifact

if TYPE_CHECKING:
    from n2uqc.passes.program import Program

    from .artifact import Runner
    from .fpga import Folding

Progress = Callable[[str], None]
"""Told in a few words what is being worked on."""


@dataclass(frozen=True)
class Request:
    """What a target is asked for beside the program; each target takes some of it.

    Attributes:
        mcpu: core, as LLVM names it; the target's own by default.
        mattr: processor features with their signs, such as ``+dotprod``.
        folding: parallelism of the datapath's engines; balanced by default.
        target_cycles: busy cycles an image of the slowest engine, at the least area.
        target_fps: images a second, at the least area.
        device: FPGA whose resources are kept.
        clock_hz: clock that the hardware is meant to reach, not checked; 100 MHz by default.
        rtl: write Verilog too.
    """

    mcpu: str | None = None
    mattr: tuple[str, ...] = ()
    folding: Folding | None = None
    target_cycles: int | None = None
    target_fps: float | None = None
    device: str | None = None
    clock_hz: float | None = None
    rtl: bool = False

    @property
    def given(self) -> tuple[str, ...]:
        """Names of what is asked for."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)


@dataclass(frozen=True)
class Target(ABC):
    """Something that programs can be compiled for.

    Attributes:
        name: as users write it.
        summary: one line for help texts.
    """

    name: str
    summary: str

    takes: ClassVar[frozenset[str]]
    """What of a ``Request`` it takes."""

    artifact: ClassVar[type[Artifact]]
    """What is made for it."""

    @property
    def executor(self) -> str:
        """What runs its artifacts, as certificates and tables call it."""
        return self.name

    @property
    def executor_summary(self) -> str:
        """The same in some words."""
        return f"binary for {self.name}"

    def check(self, request: Request) -> None:
        """Refuse early what cannot be built, before there is a program.

        Raises:
            CompileError: the target does not take something that is asked for, or not in that form.
        """
        if strange := [each for each in request.given if each not in self.takes]:
            raise CompileError(
                Problem(
                    node="",
                    op="",
                    found=f"{', '.join(strange)}: not for the target {self.name}",
                    supported=", ".join(sorted(self.takes)) or "no options",
                )
            )

    def runner(self, program: Program, folder: Path) -> Runner:
        """What runs a verified program as this target does, for any number of batches.

        Args:
            program: what to run.
            folder: where an artifact that has to be saved for it is left, under the target's name.

        Raises:
            CompileError: as of ``build``.
        """
        artifact = self.build(program, Request(), lambda step: None)
        return replace(artifact, folder=artifact.save(folder / self.name)).runner()

    @abstractmethod
    def build(self, program: Program, request: Request, progress: Progress) -> Artifact:
        """Compile a verified program.

        Raises:
            CompileError: the target cannot take the program or the request; a tool is missing.
        """
