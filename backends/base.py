"""The way from a program to an artifact."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .targets import find_target

if TYPE_CHECKING:
    from n2uqc.passes.program import Program

    from .artifact import Artifact

Progress = Callable[[str], None]
"""Told in a few words what is being worked on."""


def compile(
    program: Program,
    target: str = "aarch64",
    *,
    mcpu: str | None = None,
    mattr: Sequence[str] = (),
    name: str | None = None,
    progress: Progress = lambda step: None,
) -> Artifact:
    """Compile an integer program.

    Args:
        program: a lowered program.
        target: a name that ``find_target`` knows: ``aarch64+dotprod``, ``cortex-a72``, ``host``.
        mcpu: processor as LLVM names it; the target's own by default.
        mattr: processor features with their signs, such as ``+dotprod``.
        name: of which symbols and files are made, the program's own by default: small letters,
            digits, underscores. Libraries that one application links need names of their own.
        progress: told what is being worked on.

    Returns:
        The artifact in memory; ``save`` writes it as a folder.

    Raises:
        TypeError: it is no program.
        CompileError: a name that is no identifier; no such target, processor or feature; a tool is
            missing on this machine.
        IllegalOp: the program breaks a rule of SPEC.md.
    """
    from n2uqc.passes.program import Program, verify
    from n2uqc.passes.program.names import with_name

    if not isinstance(program, Program):
        raise TypeError(f"compile takes a Program, as n2uqc.load gives one, not {program!r:.60}")
    chosen = find_target(target, mcpu, mattr)
    program = with_name(program, name)
    verify(program)
    module, _, function = chosen.builder.partition(":")
    build = getattr(importlib.import_module(module, __package__), function)
    artifact: Artifact = build(program, chosen, progress)
    return artifact
