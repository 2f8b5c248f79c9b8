"""All targets by name: processors, the datapath, the saved program."""

from __future__ import annotations

from difflib import get_close_matches

from n2uqc.frontend.diagnostics import CompileError, Problem

from .datapath import DATAPATH
from .processors import PROCESSORS, find_processor
from .saved_program import PROGRAM
from .target import Target

TARGETS: dict[str, Target] = {
    **PROCESSORS,
    **{target.name: target for target in (DATAPATH, PROGRAM)},
}
"""All targets by name, in the order of help texts."""


def find_target(name: str) -> Target:
    """Find a target by name.

    Args:
        name: a name of ``TARGETS``, a processor with features such as ``aarch64+dotprod+i8mm``, or
            an executor's name in certificates (``interpreter``, ``datapath``).

    Raises:
        CompileError: there is no such target; the message lists all.
    """
    target = find_processor(name) or TARGETS.get(name)
    target = target or next((t for t in TARGETS.values() if t.executor == name), None)
    if target is None:
        near = get_close_matches(name.lower(), TARGETS)
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"there is no target {name!r}"
                + (f"; did you mean {' or '.join(near)}?" if near else ""),
                supported=f"\n{listing()}",
            )
        )
    return target


def listing() -> str:
    """Return a text with one line per target."""
    width = max(map(len, TARGETS))
    return "\n".join(f"  {name:{width}}  {target.summary}" for name, target in TARGETS.items())
