"""A short campaign over every kind, by a fixed seed: nothing is found, and every kind was tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .kinds import KINDS

ROOT = Path(__file__).parents[2]


def test_nothing_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--brief", "--seed", "1", "--workers", "1"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path), "--no-shrink"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    faults = [path.read_text() for path in tmp_path.rglob("fault.txt")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr[-3000:], *faults])
    assert all(f"{kind.name}: " in done.stdout for kind in KINDS)
