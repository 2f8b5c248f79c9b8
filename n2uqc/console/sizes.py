"""What an artifact takes of memory, beside the least that it could take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def size_lines(facts: Mapping[str, Any], library_bytes: int) -> list[str]:
    """Lines for the end of ``compile``.

    Args:
        facts: an artifact's.
        library_bytes: size of its static library.
    """
    workspace, bound = facts["workspace_bytes"], facts["workspace_lower_bound"]
    shared = len(facts["in_place"])
    lines = [
        f"workspace {workspace:,} bytes; {bound:,} are in use at once"
        + (
            f"; {shared} kernels write over an input"
            if shared > 1
            else "; one kernel writes over an input"
            if shared
            else ""
        ),
        f"library   {library_bytes:,} bytes, {facts['constant_bytes']:,} of them constants; "
        f"weights and tables carry {facts['information_bytes']:,} bytes of information",
    ]
    if "memory" in facts:
        chip = facts["memory"]
        lines.append(
            f"chip      {chip['flash_bytes']:,} bytes of flash and {chip['ram_bytes']:,} of RAM "
            f"for the demonstration; a call takes {chip['library_stack_bytes']:,} of stack"
        )
    return lines
