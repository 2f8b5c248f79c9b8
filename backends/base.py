"""Targets and the way from a program to an artifact."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.frontend.diagnostics import CompileError, Problem

if TYPE_CHECKING:
    from n2uqc.passes.program import Program

    from .artifact import Artifact

Progress = Callable[[str], None]
"""Told in a few words what is being worked on."""


@dataclass(frozen=True)
class Processor:
    """What LLVM generates code for.

    Attributes:
        architecture: ``x86_64``, ``aarch64``.
        triple: of LLVM.
        cpu: LLVM's ``-mcpu``; "" is filled in by ``compile`` from this machine.
        features: LLVM's ``-mattr``, each with its sign.
    """

    architecture: str
    triple: str
    cpu: str
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """Something that programs can be compiled for.

    Attributes:
        name: as users write it.
        summary: one line for help texts.
        builder: ``module:function`` within this package, imported when used; the function takes
            (program, target, progress) and gives an Artifact.
        processor: of processor targets.
    """

    name: str
    summary: str
    builder: str
    processor: Processor | None = None


def _host() -> Target:
    from .toolchain import machine

    name = machine()
    return Target(
        "host", f"this machine ({name} Linux)", ".arm.package:build",
        Processor(name, f"{name}-linux-gnu", ""),
    )


TARGETS: dict[str, Target] = {
    target.name: target for target in (
        _host(),
        Target(
            "aarch64", "64-bit ARM Linux, ARMv8.0 and up", ".arm.package:build",
            # Named after nothing newer than what every ARMv8 core has.
            Processor("aarch64", "aarch64-linux-gnu", "generic"),
        ),
    )
}
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


def find_target(
    name: str, mcpu: str | None = None, mattr: Sequence[str] = ()
) -> Target:
    """The target of a name, with a processor's model and features put in.

    Raises:
        CompileError: there is no such target, or it is not for this machine, or has no processor.
    """
    target = TARGETS.get(name)
    if target is None:
        raise CompileError(Problem(
            node="", op="", found=f"there is no target {name!r}",
            supported="; ".join(f"{t.name} ({t.summary})" for t in TARGETS.values()),
        ))
    if target.processor is None:
        if mcpu or mattr:
            raise CompileError(f"the target {name} has no processor to choose with mcpu or mattr")
        return target
    if name == "host" and sys.platform != "linux":
        raise CompileError(Problem(
            node="", op="", found=f"the target host makes Linux programs; this is {sys.platform}",
            mend="compile for aarch64 (which runs emulated), or in a Linux container",
        ))
    cpu = mcpu or target.processor.cpu or host_cpu()
    processor = replace(
        target.processor, cpu=cpu, features=target.processor.features + tuple(mattr)
    )
    return replace(target, processor=processor)


def compile(
    program: Program, target: str = "aarch64", *, mcpu: str | None = None,
    mattr: Sequence[str] = (), progress: Progress = lambda step: None,
) -> Artifact:
    """Compile an integer program.

    Args:
        program: a lowered program.
        target: a name of ``TARGETS``.
        mcpu: processor as LLVM names it; the target's own by default.
        mattr: processor features with their signs, such as ``+dotprod``.
        progress: told what is being worked on.

    Returns:
        The artifact in memory; ``save`` writes it as a folder.

    Raises:
        CompileError: no such target, processor or feature; a tool is missing on this machine.
        IllegalOp: the program breaks a rule of SPEC.md.
    """
    from n2uqc.passes.program import verify

    chosen = find_target(target, mcpu, mattr)
    verify(program)
    module, _, function = chosen.builder.partition(":")
    build = getattr(importlib.import_module(module, __package__), function)
    artifact: Artifact = build(program, chosen, progress)
    return artifact
