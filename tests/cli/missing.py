"""The command line in a process where a package is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def without(package: str, *arguments: str) -> str:
    """Run a command that needs a package, in a new process without it; return what it says."""
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from n2uqc import cli\n"
        f"sys.exit(cli.main({[*arguments]!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2, done.stderr
    return done.stderr
