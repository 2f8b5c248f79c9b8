"""Execution of a driver: as a process, under qemu, or with unicorn in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from n2uqc.frontend.diagnostics import CompileError

from .. import toolchain
from ..cross import CROSS
from ..processor import board_of
from .finished import Finished

_NO_DEVICES = ("-display", "none", "-monitor", "none", "-serial", "null", "-parallel", "none")


def run_program(
    program: Path,
    arguments: Sequence[str],
    architecture: str,
    cpu: str = "",
    needs: Collection[str] = (),
) -> Finished:
    """Run a static Linux program or a firmware until it exits.

    Args:
        program: the executable.
        arguments: its arguments; files are named by absolute paths.
        architecture: a key of ``CROSS`` in ``cross.py``.
        cpu: qemu's model of the processor or board; qemu's default if "".
        needs: processor features that the program requires.

    Raises:
        CompileError: no emulator is found, it fails, or the board is unknown.
    """
    bare = CROSS[architecture].bare
    board = board_of(cpu, architecture) if bare else None
    command = toolchain.emulator(architecture, cpu, needs, board.options if board else ())
    if command == toolchain.UNICORN:
        if board is not None:
            from .board import run_firmware

            return run_firmware(program, arguments, board=board)
        from .linux import run_static

        return run_static(program, arguments, architecture=architecture)
    place = None
    options = [str(program.resolve()), *arguments]
    if bare:
        # A firmware's command line is one text: file names without folders have no spaces.
        place = Path(arguments[0]).parent
        names = [os.path.relpath(argument, place).replace(",", ",,") for argument in arguments]
        words = ",".join(["enable=on,target=native,arg=demo", *(f"arg={n}" for n in names)])
        options = [*_NO_DEVICES, "-semihosting-config", words, "-kernel", options[0]]
    try:
        done = subprocess.run(
            [*command, *options],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            cwd=place,
        )
    except OSError as error:
        raise CompileError(f"{error.filename}: {error.strerror}") from None
    if done.returncode < 0:
        raise CompileError(
            f"{' '.join([*command, program.name])} was killed by signal {-done.returncode}"
        )
    return Finished(done.returncode, done.stdout, done.stderr)
