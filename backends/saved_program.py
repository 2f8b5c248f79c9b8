"""The target ``program``: the integer program as one file, run by the interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from .artifact import Artifact
from .manifest import PROGRAM as FILE
from .target import Progress, Request, Target

if TYPE_CHECKING:
    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Runner


def _interpreter(program: Program) -> Runner:
    from n2uqc.passes.program import Runner, run

    return Runner(program.interface, lambda x: run(program, x))


@dataclass(frozen=True, repr=False)
class SavedProgram(Artifact):
    """A program as a file, which every command accepts instead of a model."""

    is_folder: ClassVar[bool] = False

    def save(self, folder: Path | str) -> Path:
        """Write the file, completely or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        from n2uqc.passes.program import save

        save(self.program, folder)
        return Path(folder)

    def runner(self) -> Runner:
        return _interpreter(self.program)


@dataclass(frozen=True)
class ProgramTarget(Target):
    """The integer program as a target."""

    takes: ClassVar[frozenset[str]] = frozenset()
    artifact: ClassVar[type[Artifact]] = SavedProgram

    @property
    def executor(self) -> str:
        return "interpreter"

    @property
    def executor_summary(self) -> str:
        return "numpy interpreter: defines the program"

    def runner(self, program: Program, folder: Path) -> Runner:
        """Return the interpreter of the program; nothing is saved."""
        return _interpreter(program)

    def build(self, program: Program, request: Request, progress: Progress) -> SavedProgram:
        from n2uqc.passes.program.store import to_bytes

        return SavedProgram(
            {FILE: to_bytes(program)}, frozenset(), {"target": self.name, "program": program.name}
        )


PROGRAM = ProgramTarget(
    "program",
    "the integer program itself, a file that every command takes in place of MODEL",
)
