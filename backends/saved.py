"""Opening of saved artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from .artifact import Artifact
from .manifest import Files, read_manifest
from .targets import find_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.passes.program.named import Batch, Named


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


@overload
def run_artifact(folder: Path | str, x: NDArray[Any]) -> NDArray[Any]: ...
@overload
def run_artifact(folder: Path | str, x: Named) -> dict[str, NDArray[Any]]: ...
def run_artifact(folder: Path | str, x: Batch) -> NDArray[Any] | dict[str, NDArray[Any]]:
    """Open a saved artifact and run it once; see ``Artifact.run``."""
    return open_artifact(folder).run(x)
