"""External tools: C compiler, archiver, emulator. All required tools can be installed by pip.

They are searched in this order, and the first that works is used:

    compiler, host      $CC, gcc, clang, cc, ziglang
    compiler, aarch64   $N2UQC_AARCH64_CC, aarch64-linux-gnu-gcc, the host's own, ziglang
    archiver            $AR or $N2UQC_AARCH64_AR, the compiler's companion, ar, ziglang
    emulator, aarch64   $N2UQC_AARCH64_EMULATOR (a command, or "unicorn"), none on an aarch64
                        machine that has the features, qemu-aarch64, qemu-aarch64-static, unicorn

Other architectures have variables of the same form (ARMV7, ARMV6, CORTEX_M, RISCV64, RISCV32) and
the tools in ``cross.py``.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from n2uqc.frontend.diagnostics import CompileError, Problem

from .cross import CROSS, Command, gnu_core


class ToolchainError(CompileError):
    """An external tool is missing or failed."""


UNICORN: Command = ("unicorn",)
"""Marks emulation inside this process (see ``emulation``)."""

_NAMES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}

_HARDWARE = {"dotprod": "asimddp", "i8mm": "i8mm"}
"""Linux' names of AArch64 features that not every machine has."""


def machine() -> str:
    """Return LLVM's name of this machine's architecture: ``x86_64``, ``aarch64``."""
    name = platform.machine().lower()
    return _NAMES.get(name, name)


@cache
def _machine_features() -> frozenset[str]:
    try:
        return frozenset(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return frozenset()


@dataclass(frozen=True)
class Toolchain:
    """The commands that build programs for one architecture.

    Attributes:
        architecture: a key of ``CROSS`` in ``cross.py``.
        compiler: command of the C compiler, with the options that select the architecture.
        archiver: command that makes static libraries.
        name: name of the tools, for the manifest.
    """

    architecture: str
    compiler: Command
    archiver: Command
    name: str

    def core(self, cpu: str) -> Command:
        """Return the compiler's options for one core of the architecture.

        Args:
            cpu: the core's name in LLVM and GNU tools.
        """
        if self.name != "zig":
            return gnu_core(self.architecture, cpu)
        cores_differ = "-mcpu={}" in CROSS[self.architecture].selected
        return (f"-mcpu={cpu.replace('-', '_')}",) if cores_differ else ()

    def executable(
        self,
        sources: Sequence[Path],
        path: Path,
        flags: Sequence[str] = (),
        libraries: Sequence[str] = (),
    ) -> None:
        """Compile C files and link objects and archives to a program; libraries are flags, too."""
        options = CROSS[self.architecture].options
        command = (
            *self.compiler,
            *options,
            *flags,
            *map(str, sources),
            *libraries,
            "-o",
            str(path),
        )
        _run(command)

    def version(self) -> str:
        """Return the first line of the compiler's version output."""
        done = subprocess.run(
            [*self.compiler, "--version"], capture_output=True, text=True, errors="backslashreplace"
        )
        return (done.stdout.splitlines() or [self.name])[0].strip()

    def shared_library(self, objects: Sequence[Path], path: Path) -> None:
        """Link objects without dependencies to a library that ``ctypes`` can load."""
        options = ("-shared", "-nostdlib")
        _run((*self.compiler, *options, *map(str, objects), "-o", str(path)))

    def archive(self, objects: Sequence[Path], path: Path) -> None:
        """Make a static library whose bytes depend only on the objects."""
        path.unlink(missing_ok=True)
        _run((*self.archiver, "rcsD", str(path), *map(str, objects)))


def shared_library(objects: Sequence[Path | str], path: Path | str) -> Path:
    """Link objects for this machine to a library that ``ctypes`` can load."""
    host().shared_library([Path(o) for o in objects], Path(path))
    return Path(path)


def host() -> Toolchain:
    """Return the toolchain of this machine.

    Raises:
        ToolchainError: no C compiler is found.
    """
    return find(machine(), native=True)


@cache
def find(architecture: str, native: bool = False) -> Toolchain:
    """Return the toolchain for an architecture.

    Args:
        architecture: a key of ``CROSS`` in ``cross.py``.
        native: whether programs are for this machine; the variables are then $CC and $AR.

    Raises:
        ToolchainError: no C compiler is found; the message names a package that has one.
    """
    tried = []
    for compiler in _compilers(architecture, native):
        reason = _fault(compiler, architecture)
        if not reason:
            name = "zig" if "ziglang" in compiler else Path(compiler[0]).name
            archiver = _archiver(compiler, architecture, native)
            return Toolchain(architecture, compiler, archiver, name)
        tried.append(f"{shlex.join(compiler)}: {reason}")
    package = "gcc" if native else CROSS[architecture].package
    raise ToolchainError(
        Problem(
            node="",
            op="",
            found="no C compiler that makes "
            + CROSS[architecture].system.format(architecture)
            + "".join(f"\n      tried {line}" for line in tried),
            supported="gcc, clang, or zig's compiler from pip",
            hint=f"pip install 'n2uqc[toolchain]' (ziglang), or apt install {package}, or "
            f"name a compiler in ${_variable(architecture, 'CC', native)}",
        )
    )


def _variable(architecture: str, tool: str, native: bool = False) -> str:
    return tool if native else f"N2UQC_{architecture.upper().replace('-', '_')}_{tool}"


def _compilers(architecture: str, native: bool) -> Iterator[Command]:
    chosen = os.environ.get(_variable(architecture, "CC", native))
    if chosen:
        yield tuple(shlex.split(chosen))
        return
    names = [] if native else [CROSS[architecture].gcc]
    if architecture == machine():
        names += ["gcc", "clang", "cc"]
    more = tuple(option for option in CROSS[architecture].selected if "{}" not in option)
    for name in names:
        if shutil.which(name):
            yield (name, *more)
    if importlib.util.find_spec("ziglang"):
        yield (sys.executable, "-m", "ziglang", "cc", *CROSS[architecture].zig)


def _archiver(compiler: Command, architecture: str, native: bool) -> Command:
    chosen = os.environ.get(_variable(architecture, "AR", native))
    if chosen:
        return tuple(shlex.split(chosen))
    if "ziglang" in compiler:
        return (sys.executable, "-m", "ziglang", "ar")
    # Archives do not depend on the architecture: any ar is suitable.
    for name in (f"{compiler[0].removesuffix('gcc')}ar", "ar", "llvm-ar"):
        if shutil.which(name):
            return (name,)
    if importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "ar")
    raise ToolchainError(
        Problem(
            node="",
            op="",
            found="no archiver (ar)",
            hint="apt install binutils, or pip install "
            f"'n2uqc[toolchain]' (ziglang), "
            f"or name one in ${_variable(architecture, 'AR', native)}",
        )
    )


def _fault(compiler: Command, architecture: str) -> str:
    """Return why a compiler cannot be used, "" if it can; some have no static C library."""
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        source = Path(folder, "probe.c")
        source.write_text(
            "#include <stdint.h>\nvoid _start(void) {}\n"
            if CROSS[architecture].bare
            else '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n'
        )
        # The options of later builds, because zig caches a C library for each set of options.
        options = CROSS[architecture].options
        command = (*compiler, *options, str(source), "-o", str(Path(folder, "probe")))
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="backslashreplace"
            )
        except OSError as error:
            return error.strerror or str(error)
    if not done.returncode:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0][:200]


def _run(command: Command) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace")
    if done.returncode or "warning:" in done.stderr:
        raise ToolchainError(
            Problem(
                node="",
                op="",
                found=f"{shlex.join(command)} failed:\n{done.stderr.strip()[-2000:]}",
            )
        )


_UNICORN_HINT = "pip install 'n2uqc[toolchain]' (unicorn), or "


def emulator(
    architecture: str,
    cpu: str = "",
    needs: Collection[str] = (),
    options: Sequence[str] = (),
) -> Command:
    """Find an emulator for an architecture: a command prefix, () if none is needed.

    Args:
        architecture: a key of ``CROSS`` in ``cross.py``.
        cpu: qemu's model of the processor or board; qemu's default if "".
        needs: features that the program requires: ``dotprod``, ``i8mm``.
        options: further options of qemu.

    Raises:
        ToolchainError: none is found; the message names a package that has one.
    """
    native = architecture == machine()
    chosen = os.environ.get(_variable(architecture, "EMULATOR"))
    if chosen is not None and (chosen or native):
        return tuple(shlex.split(chosen))
    if native and (
        architecture != "aarch64" or {_HARDWARE[n] for n in needs} <= _machine_features()
    ):
        return ()
    cross = CROSS[architecture]
    for name in (cross.emulator, f"{cross.emulator}-static"):
        if shutil.which(name):
            return (name, cross.selects, cpu, *options) if cpu else (name,)
    if cross.unicorn and importlib.util.find_spec("unicorn"):
        return UNICORN
    raise ToolchainError(
        Problem(
            node="",
            op="",
            found=f"this machine is {machine()}; no emulator for {architecture}"
            f"{''.join(f' with {n}' for n in needs)} found",
            hint=f"{_UNICORN_HINT if cross.unicorn else ''}apt install "
            f"{cross.emulator_package}, or name one in ${_variable(architecture, 'EMULATOR')}",
        )
    )
