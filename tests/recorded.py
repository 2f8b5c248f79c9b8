"""Artifacts held against a record of their hashes: no change of one passes unseen.

A record says that an artifact changed, not whether it was right: that is what the comparisons with
exact arithmetic, ONNX Runtime and the interpreter are for.  After an intended change
``N2UQC_GOLDEN=write pytest -n 0 -k recorded`` rewrites the records; the difference names the
networks, targets and engines that the change reached, and those alone should be in it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from n2uqc.passes import Options, load
from n2uqc.passes.program import Program

from .fuzz.draw.network import random_network

REWRITING = os.environ.get("N2UQC_GOLDEN") == "write"
"""Whether golden files are written anew instead of compared."""
FOLDER = Path(__file__).parent / "golden/records"
OPTIONS = (Options(), Options(residual_bits=16, stem_bits=16, head_bits=12), Options(level_bits=9))
"""Those of the drawn networks, in turn."""


def digest(content: str | bytes) -> str:
    """Return a short hash."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:12]


def drawn_program(name: str, folder: Path) -> tuple[str, Program]:
    """Draw a network by name, and compile it.

    Args:
        name: of the network, ending in a number that also chooses the options.
        folder: where its file may be written.

    Returns:
        The hash of the network's file, and the program.

    Raises:
        CompileError: the network is one that is refused.
    """
    content = random_network(name).SerializeToString(deterministic=True)
    path = folder / "network.onnx"
    path.write_bytes(content)
    number = int(name.rpartition(" ")[2])
    return digest(content), load(path, OPTIONS[number % len(OPTIONS)])


def check(name: str, part: str, found: Mapping[str, str]) -> None:
    """Compare artifacts with their record.

    Args:
        name: of the record's file.
        part: of the file, which one test holds.
        found: text by what it tells of, hashes or short words.
    """
    path = FOLDER / f"{name}.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    recorded = dict(line.rsplit("  ", 1) for line in lines)
    own = {key: value for key, value in recorded.items() if key.startswith(f"{part} ")}
    new = {f"{part} {key}": value for key, value in found.items()}
    if REWRITING:
        rest = {key: value for key, value in recorded.items() if key not in own}
        FOLDER.mkdir(exist_ok=True)
        rows = sorted({**rest, **new}.items())
        path.write_text("".join(f"{key}  {value}\n" for key, value in rows), encoding="utf-8")
        return
    different = [
        f"{key}: {own.get(key, 'not recorded')} became {new.get(key, 'nothing')}"
        for key in sorted({*own, *new})
        if own.get(key) != new.get(key)
    ]
    assert not different, "\n".join([f"other than in {path.name} (see recorded.py):", *different])
