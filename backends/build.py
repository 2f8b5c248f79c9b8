"""``compile``: from a program to an artifact."""

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
    fill: float | None = None,
    progress: Progress = lambda step: None,
) -> Artifact:
    """Compile an integer program.

    Args:
        program: a lowered program.
        target: name of a target, see ``find_target``: ``aarch64+dotprod``, ``cortex-a72``,
            ``host``, ``fpga``, ``program``.
        name: name in symbols and files (lower-case letters, digits, underscores); by default that
            of the program. Libraries that are linked into one application need different names.
        mcpu, mattr: for processors; see ``target.Request``.
        folding, target_cycles, target_fps, device, clock_hz, rtl, fill: for the datapath; see
            there.
        progress: called with a description of each step.

    Returns:
        The artifact in memory; it can be saved, described and run.

    Raises:
        TypeError: ``program`` is no Program.
        CompileError: the name is no identifier; the target, processor or feature is unknown; the
            target does not support an argument; or a tool is missing on this machine.
        IllegalOp: the program breaks a rule of SPEC.md.
    """
    from n2uqc.passes.program import Program, verify
    from n2uqc.passes.program.names import with_name

    if not isinstance(program, Program):
        raise TypeError(f"compile takes a Program, as n2uqc.load gives one, not {program!r:.60}")
    chosen = find_target(target)
    request = Request(
        mcpu, tuple(mattr), folding, target_cycles, target_fps, device, clock_hz, rtl, fill
    )
    chosen.check(request)
    program = with_name(program, name)
    verify(program)
    return chosen.build(program, request, progress)
