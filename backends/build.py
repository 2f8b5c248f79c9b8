"""The way from a program to an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .target import Progress, Request
from .targets import find_target

if TYPE_CHECKING:
    from n2uqc.passes.program import Program

    from .artifact import Artifact
    from .fpga import Folding


def compile(
    program: Program,
    target: str = "aarch64",
    *,
    name: str | None = None,
    mcpu: str | None = None,
    mattr: Sequence[str] = (),
    folding: Folding | None = None,
    target_cycles: int | None = None,
    target_fps: float | None = None,
    device: str | None = None,
    clock_hz: float | None = None,
    rtl: bool = False,
    progress: Progress = lambda step: None,
) -> Artifact:
    """Compile an integer program.

    Args:
        program: a lowered program.
        target: a name that ``find_target`` knows: ``aarch64+dotprod``, ``cortex-a72``, ``host``,
            ``fpga``, ``program``.
        name: of which symbols and files are made, the program's own by default: small letters,
            digits, underscores. Libraries that one application links need names of their own.
        mcpu, mattr: of a processor: see ``target.Request``.
        folding, target_cycles, target_fps, device, clock_hz, rtl: of the datapath, likewise.
        progress: told what is being worked on.

    Returns:
        The artifact in memory; it can be saved, described and run.

    Raises:
        TypeError: it is no program.
        CompileError: a name that is no identifier; no such target, processor or feature; something
            is asked for that the target does not take; a tool is missing on this machine.
        IllegalOp: the program breaks a rule of SPEC.md.
    """
    from n2uqc.passes.program import Program, verify
    from n2uqc.passes.program.names import with_name

    if not isinstance(program, Program):
        raise TypeError(f"compile takes a Program, as n2uqc.load gives one, not {program!r:.60}")
    chosen = find_target(target)
    request = Request(mcpu, tuple(mattr), folding, target_cycles, target_fps, device, clock_hz, rtl)
    chosen.check(request)
    program = with_name(program, name)
    verify(program)
    return chosen.build(program, request, progress)
