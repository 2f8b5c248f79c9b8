"""Artifacts for processors: library, header and driver."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError

from .artifact import Artifact, file_path, read_file, read_manifest

if TYPE_CHECKING:
    from .artifact import Runner


@dataclass(frozen=True)
class Binary(Artifact):
    """A library, header and driver for a processor; the driver runs here or emulated."""

    def describe(self) -> str:
        return "\n".join(size_lines(self.facts, len(self.files[self.facts["library"]])))

    def runner(self) -> Runner:
        if self.folder is not None:
            return partial(run_driver, self.folder)

        def run(x: NDArray[Any]) -> NDArray[np.int64]:
            with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
                return run_driver(self.save(Path(place, "artifact")), x)

        return run


def run_driver(folder: Path | str, x: NDArray[Any]) -> NDArray[np.int64]:
    """Run the driver of a saved artifact; see ``Artifact.run``.

    Args:
        folder: folder of the artifact.
        x: integers of the input's type, (N, H, W, C).
    """
    from .emulation import run_program

    folder = Path(folder)
    manifest = read_manifest(folder)
    kinds = manifest["input"], manifest["output"]
    _check(x, kinds[0])
    read_file(folder, manifest, manifest["driver"])
    raw = manifest.get("exchange") == "raw"
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
        source, result = (Path(place, f"{n}.{'raw' if raw else 'npy'}") for n in "xy")
        taken = np.ascontiguousarray(x, dtype=np.dtype(kinds[0]["dtype"]).newbyteorder("<"))
        source.write_bytes(taken.tobytes()) if raw else np.save(source, taken)
        done = run_program(
            file_path(folder, manifest["driver"]),
            [str(source), str(result)],
            manifest["architecture"],
            manifest.get("emulated", ""),
            manifest.get("needs", ()),
        )
        if done.code:
            raise CompileError(f"the driver failed with code {done.code}: {done.errors.strip()}")
        y: NDArray[Any] = (
            np.fromfile(result, np.dtype(kinds[1]["dtype"]).newbyteorder("<"))
            if raw
            else np.load(result)
        )
    if raw:
        y = y.reshape(-1, *kinds[1]["shape"])
    if y.shape != (len(x), *kinds[1]["shape"]) or y.dtype != kinds[1]["dtype"]:
        raise CompileError(f"the driver wrote {y.dtype} {y.shape}")
    return y.astype(np.int64)


def _check(x: NDArray[Any], kind: dict[str, Any]) -> None:
    """Check a batch by the rules of ``boundary.check_integers``, with the type in the manifest."""
    from n2uqc.passes.program import InputError

    shape = tuple(kind["shape"])
    if x.dtype.kind not in "iu":
        raise InputError(f"dtype {x.dtype} where integers are taken")
    if x.ndim != 4 or x.shape[1:] != shape:
        raise InputError(f"shape {x.shape} where (N, {', '.join(map(str, shape))}) is taken")
    if x.size and not (kind["min"] <= x.min() and x.max() <= kind["max"]):
        raise InputError(f"values {x.min()}..{x.max()} leave [{kind['min']}, {kind['max']}]")


def size_lines(facts: Mapping[str, Any], library_bytes: int) -> list[str]:
    """Return lines about the memory that an artifact takes, with lower bounds.

    Args:
        facts: facts of the artifact.
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
