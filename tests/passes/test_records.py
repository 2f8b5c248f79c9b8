"""Programs of drawn networks, held against a record: what the passes make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import dump

from ..recorded import check, digest, drawn_program

GROUPS, EACH = 21, 6


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("group", range(GROUPS))
def test_recorded_programs(group: int, tmp_path: Path) -> None:
    found = {}
    for k in range(group * EACH, (group + 1) * EACH):
        try:
            network, program = drawn_program(f"program {k}", tmp_path)
        except CompileError as error:
            found[f"{k:03}"] = f"refused:{digest(str(error).replace(str(tmp_path), ''))}"
            continue
        found[f"{k:03} network"] = network
        found[f"{k:03} {len(program.ops)} operations"] = digest(dump(program))
    check("programs", f"{group:02}", found)
