"""The table of the kernels of a binary, with the reasons for their choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from n2uqc.frontend.sheet import Sheet


def write_kernels(sheet: Sheet, facts: Mapping[str, Any]) -> None:
    """Write which kernel computes which operations, and why;
    ``facts`` are those of the artifact.
    """
    from n2uqc.frontend.sheet import Column, name_column

    columns = (
        name_column("layer"),
        Column("computes", left=True, least=10, end=True, drop=2),
        Column("kernel", left=True, least=12),
        Column("why", left=True, least=16, end=True),
        Column("MAC", drop=1),
    )
    sheet.table(
        columns,
        [
            (
                kernel["operations"][0] if kernel["operations"] else "",
                kernel["computes"].replace("_", " "),
                kernel["kernel"],
                kernel["reason"],
                kernel["macs"] or None,
            )
            for kernel in facts["kernels"]
        ],
    )
