"""The base class of targets, which programs can be compiled for."""

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
    from n2uqc.passes.program.named import Runner

    from .fpga import Folding

Progress = Callable[[str], None]
"""Called with a short description of each step."""


@dataclass(frozen=True)
class Request:
    """Arguments of a compilation besides the program; each target supports some of them.

    Attributes:
        mcpu: LLVM's name of the core; by default that of the target.
        mattr: processor features with their signs, such as ``+dotprod``.
        folding: parallelism of the datapath's engines; by default a balanced one.
        target_cycles: busy cycles per image of the slowest engine, reached with the least area.
        target_fps: images per second, reached with the least area.
        device: FPGA whose resources must suffice.
        clock_hz: assumed clock of the hardware, not checked; 100 MHz by default.
        rtl: whether to write Verilog too.
        fill: percent of the device's resources that may be taken.
    """

    mcpu: str | None = None
    mattr: tuple[str, ...] = ()
    folding: Folding | None = None
    target_cycles: int | None = None
    target_fps: float | None = None
    device: str | None = None
    clock_hz: float | None = None
    rtl: bool = False
    fill: float | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the arguments that were given."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)


@dataclass(frozen=True)
class Target(ABC):
    """A target that programs can be compiled for.

    Attributes:
        name: name for users.
        summary: one line for help texts.
    """

    name: str
    summary: str

    takes: ClassVar[frozenset[str]]
    """Names of the supported arguments of a ``Request``."""

    artifact: ClassVar[type[Artifact]]
    """Class of its artifacts."""

    @property
    def executor(self) -> str:
        """Name of what runs its artifacts, in certificates and tables."""
        return self.name

    @property
    def executor_summary(self) -> str:
        """Short description of what runs its artifacts."""
        return f"binary for {self.name}"

    def check(self, request: Request) -> None:
        """Check a request before the program is compiled.

        Raises:
            CompileError: the target does not support an argument, or its value.
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
        """Return a function that runs a verified program as this target does,
        on any number of batches.

        Args:
            program: the program.
            folder: where an artifact is saved, if that is necessary, under the target's name.

        Raises:
            CompileError: see ``build``.
        """
        artifact = self.build(program, Request(), lambda step: None)
        return replace(artifact, folder=artifact.save(folder / self.name)).runner()

    @abstractmethod
    def build(self, program: Program, request: Request, progress: Progress) -> Artifact:
        """Compile a verified program.

        Raises:
            CompileError: the target does not support the program or the request, or a tool is
                missing.
        """
