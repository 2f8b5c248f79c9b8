"""Every target: what it is, what LLVM generates code for, and what runs it here.

A name is an architecture (``aarch64``), an architecture with features (``aarch64+dotprod``), a core
(``cortex-a72``: its architecture, LLVM's model of it, and the features it really has), or ``host``.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from n2uqc.frontend.diagnostics import CompileError, Problem

from .toolchain import machine


@dataclass(frozen=True)
class Processor:
    """What LLVM generates code for.

    Attributes:
        architecture: ``x86_64``, ``aarch64``, ``armv7`` (32-bit, NEON) or ``cortex-m`` (ARMv7E-M).
        triple: of LLVM.
        cpu: LLVM's ``-mcpu``; "" is filled in by ``find_target`` from this machine.
        features: LLVM's ``-mattr``, each with its sign.
        float_abi: ``soft`` or ``hard`` where the triple leaves it open, for the linker's sake: no
            generated function takes floating-point numbers.
        emulated: the processor model (for ``cortex-m`` the board) that runs its programs in qemu.
    """

    architecture: str
    triple: str
    cpu: str
    features: tuple[str, ...] = ()
    float_abi: str = ""
    emulated: str = ""


@dataclass(frozen=True)
class Target:
    """Something that programs can be compiled for.

    Attributes:
        name: as users write it.
        summary: one line for help texts.
        processor: what code is generated for.
        builder: ``module:function`` within this package, imported when used; the function takes
            (program, target, progress) and gives an Artifact.
    """

    name: str
    summary: str
    processor: Processor
    builder: str = ".cpu.package:build"


_AARCH64 = Processor("aarch64", "aarch64-linux-gnu", "generic", emulated="cortex-a53")
_ARMV7 = Processor(
    "armv7", "armv7a-linux-gnueabihf", "generic", ("+neon",), "hard", emulated="cortex-a9"
)
_M4 = Processor("cortex-m", "thumbv7em-none-eabi", "cortex-m4", (), "soft", "mps2-an386")
_M7 = Processor("cortex-m", "thumbv7em-none-eabi", "cortex-m7", (), "soft", "mps2-an500")

_SUFFIXES = {"dotprod": ("+dotprod",), "i8mm": ("+dotprod", "+i8mm")}
"""Features of AArch64 that a target's name can ask for, with what they imply."""

_CORES = {
    "": "cortex-a53 cortex-a57 cortex-a72 cortex-a73",
    "dotprod": "cortex-a55 cortex-a75 cortex-a76 cortex-a78 neoverse-n1",
    "i8mm": "cortex-a510 cortex-a710 neoverse-n2 neoverse-v1 neoverse-v2",
}
"""AArch64 cores by the last of the features above that they have (Arm's reference manuals)."""

_SCALABLE = "cortex-a510 cortex-a710 neoverse-n2 neoverse-v1 neoverse-v2".split()
"""Cores with SVE, which is switched off: vectors of kernels have the size they were proved for."""


def _host() -> Target:
    name = machine()
    return Target("host", f"this machine ({name} Linux)", Processor(name, f"{name}-linux-gnu", ""))


def _all() -> Iterator[Target]:
    yield _host()
    yield Target("aarch64", "64-bit ARM Linux, any core (ARMv8.0)", _AARCH64)
    for suffix in _SUFFIXES:
        yield _with_features("aarch64", suffix)
    for suffix, cores in _CORES.items():
        for core in cores.split():
            off = ("-sve",) if core in _SCALABLE else ()
            emulated = "max" if suffix else _AARCH64.emulated
            has = f" with {suffix}" if suffix else ""
            yield Target(
                core,
                f"64-bit ARM Linux, {_title(core)}{has}",
                replace(_AARCH64, cpu=core, features=off, emulated=emulated),
            )
    yield Target("armv7", "32-bit ARM Linux with NEON, hard-float ABI, any core (ARMv7-A)", _ARMV7)
    for core in ("cortex-a7", "cortex-a8", "cortex-a9", "cortex-a15"):
        yield Target(
            core,
            f"32-bit ARM Linux with NEON, {_title(core)}",
            replace(_ARMV7, cpu=core, emulated=core),
        )
    yield Target("cortex-m", "microcontroller without operating system, any ARMv7E-M core", _M4)
    yield Target("cortex-m4", "microcontroller without operating system, Cortex-M4", _M4)
    yield Target("cortex-m7", "microcontroller without operating system, Cortex-M7", _M7)


def _with_features(base: str, *suffixes: str) -> Target:
    features = tuple(dict.fromkeys(f for suffix in suffixes for f in _SUFFIXES[suffix]))
    return Target(
        "+".join((base, *suffixes)),
        f"64-bit ARM Linux, any core with {' and '.join(suffixes)}",
        replace(_AARCH64, features=features, emulated="max"),
    )


def _title(core: str) -> str:
    family, _, model = core.partition("-")
    return f"{family.title()}-{model.upper()}"


TARGETS: dict[str, Target] = {target.name: target for target in _all()}
"""Every target by its name."""

_X86_64_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}


@cache
def host_cpu() -> str:
    """LLVM's name of the widest processor level that this machine has and kernels make use of.

    A level of the psABI, not the exact model, so that equal programs give equal bytes on most
    machines.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "generic"
    try:
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].split("\n")[0].split())
    except OSError:
        flags = set()
    return "x86-64-v3" if flags >= _X86_64_V3 and {"abm", "lzcnt"} & flags else "x86-64"


def listing(others: Mapping[str, str] | None = None) -> str:
    """A line for each target.

    Args:
        others: more lines for the list, summaries by name.
    """
    lines = {target.name: target.summary for target in TARGETS.values()} | dict(others or {})
    width = max(map(len, lines))
    return "\n".join(f"  {name:{width}}  {summary}" for name, summary in lines.items())


def is_target(name: str) -> bool:
    """Whether ``find_target`` knows a name."""
    base, *suffixes = name.split("+")
    return name in TARGETS or (base == "aarch64" and {*suffixes} <= {*_SUFFIXES})


def find_target(name: str, mcpu: str | None = None, mattr: Sequence[str] = ()) -> Target:
    """The target of a name, with a processor's model and features put in.

    Args:
        name: of ``TARGETS``, or ``aarch64`` with any of its features, such as
            ``aarch64+dotprod+i8mm``.
        mcpu: processor as LLVM names it; the target's own by default.
        mattr: processor features with their signs, such as ``+dotprod``.

    Raises:
        CompileError: there is no such target, or it is not for this machine.
    """
    if not is_target(name):
        raise CompileError(
            Problem(
                node="", op="", found=f"there is no target {name!r}", supported=f"\n{listing()}"
            )
        )
    target = TARGETS[name] if name in TARGETS else _with_features(*name.split("+"))
    if name == "host" and sys.platform != "linux":
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"the target host makes Linux programs; this is {sys.platform}",
                mend="compile for aarch64 (which runs emulated), or in a Linux container",
            )
        )
    processor = target.processor
    # What was asked for by LLVM's names may be more than the named model has.
    emulated = (
        "max"
        if (mcpu or mattr) and processor.architecture in ("aarch64", "armv7")
        else processor.emulated
    )
    return replace(
        target,
        processor=replace(
            processor,
            cpu=mcpu or processor.cpu or host_cpu(),
            features=processor.features + tuple(mattr),
            emulated=emulated,
        ),
    )
