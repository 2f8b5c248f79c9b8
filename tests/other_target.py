"""A target for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from n2uqc.backends import Artifact, Request, Target
from n2uqc.passes.program import Program


@dataclass(frozen=True)
class OtherTarget(Target):
    """A target whose runner is ``make_runner(program, folder)``; nothing can be built for it."""

    make_runner: Callable[[Program, Path], Any]

    takes: ClassVar[frozenset[str]] = frozenset()

    @property
    def executor_summary(self) -> str:
        return self.summary

    def runner(self, program: Program, folder: Path) -> Any:
        return self.make_runner(program, folder)

    def build(self, program: Program, request: Request, progress: Any) -> Artifact:
        raise NotImplementedError
