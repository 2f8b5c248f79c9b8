"""Runs a driver: as a process, under qemu, or in this process under unicorn."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from n2uqc.frontend.diagnostics import CompileError

from .. import toolchain


@dataclass(frozen=True)
class Finished:
    """What a program left behind: exit code, standard output, standard error."""

    code: int
    output: str
    errors: str


def run_program(
    program: Path, arguments: Sequence[str], architecture: str, cpu: str = "",
    needs: Collection[str] = (),
) -> Finished:
    """Run a static Linux program to its end.

    Args:
        program: the executable.
        arguments: for it; files it reads and writes are named here.
        architecture: ``x86_64``, ``aarch64``, ``armv7``.
        cpu: qemu's model of the processor, its own choice by default.
        needs: processor features that the program cannot run without.

    Raises:
        CompileError: no emulator is found, or it fails.
    """
    command = toolchain.emulator(architecture, cpu, needs)
    if command == toolchain.UNICORN:
        from .unicorn_linux import run_static

        return run_static(program, arguments, architecture=architecture)
    try:
        done = subprocess.run(
            [*command, str(program.resolve()), *arguments], capture_output=True, text=True
        )
    except OSError as error:
        raise CompileError(f"{error.filename}: {error.strerror}") from None
    if done.returncode < 0:
        raise CompileError(
            f"{' '.join([*command, program.name])} was killed by signal {-done.returncode}"
        )
    return Finished(done.returncode, done.stdout, done.stderr)
