"""Exact counts of the instructions of a program's main thread, by a plugin of qemu."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

_SOURCE = Path(__file__).with_name("insns.c")
_VERSIONS = (1, 2, 3, 4, 5)  # of qemu's plugin interface: 1 up to qemu 8, later ones from 9 on


@cache
def _plugin(qemu: str) -> Path:
    """Compile the plugin for the plugin interface of the installed qemu."""
    folder = Path(tempfile.mkdtemp(prefix="n2uqc-insns-"))
    refused = ""
    for version in _VERSIONS:
        path = folder / f"insns{version}.so"
        subprocess.run(
            [
                "gcc",
                "-O2",
                "-Wall",
                "-shared",
                "-fPIC",
                f"-DAPI_VERSION={version}",
                str(_SOURCE),
                "-o",
                str(path),
            ],
            check=True,
        )
        done = subprocess.run(
            [qemu, "-plugin", f"{path},out={folder / 'probe'}", "/nonexistent"],
            capture_output=True,
            text=True,
        )
        refused = done.stderr
        if "plugin" not in refused.lower():
            return path
    raise RuntimeError(f"{qemu} takes no plugin: {refused.strip()}")


def count(
    command: Sequence[str | Path],
    *,
    qemu: str = "qemu-aarch64",
    options: Sequence[str] = (),
    cwd: Path | None = None,
) -> int:
    """Return the instructions of a program's main thread, for one run.

    Args:
        command: the program and its arguments.
        qemu: the emulator.
        options: options of the emulator: ``-cpu``, ``-L``, ``-E``.
        cwd: folder to run it in.

    Raises:
        RuntimeError: the program failed.
    """
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
        result = Path(place, "insns")
        # Equal addresses and hash seeds in every run, so that start-up executes the same
        # instructions.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "LD_BIND_NOW": "1"}
        done = subprocess.run(
            [qemu, "-plugin", f"{_plugin(qemu)},out={result}", *options, *map(str, command)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=cwd,
        )
        if done.returncode or not result.exists():
            raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout)[-2000:]}")
        return int(result.read_text())


def per_run(count_runs: Callable[[int], int], few: int, many: int) -> float:
    """Return the instructions of one run without start-up,
    from the difference of ``many`` and ``few`` runs.
    """
    least = count_runs(few)
    return (count_runs(many) - least) / (many - few)
