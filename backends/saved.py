"""Opening of saved artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .artifact import Artifact, Files, read_manifest
from .targets import find_target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def open_artifact(folder: Path | str) -> Artifact:
    """Open a saved artifact; its files are read when they are needed.

    Raises:
        CompileError: it does not exist, is damaged, or is of another version.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    facts = {name: fact for name, fact in manifest.items() if name not in ("format", "files")}
    kind = find_target(str(manifest.get("target"))).artifact
    return kind(Files(folder, manifest), frozenset(), facts, folder)


def run_artifact(folder: Path | str, x: NDArray[Any]) -> NDArray[np.int64]:
    """Open a saved artifact and run it once; see ``Artifact.run``."""
    return open_artifact(folder).run(x)
