"""Runs saved artifacts on integers: here, or emulated where the machine differs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError

from .artifact import file_path, read_file, read_manifest


def run_artifact(folder: Path | str, x: NDArray[Any]) -> NDArray[np.int64]:
    """Run the driver of an artifact.

    Args:
        folder: where ``Artifact.save`` wrote.
        x: integers of the input's type and range, (N, H, W, C), any integer dtype.

    Returns:
        int64 (N, H, W, C) of the output.

    Raises:
        InputError: wrong dtype, shape or range.
        CompileError: no artifact there, or a damaged one; no emulator; the driver failed.
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
    """The rules of ``boundary.check_integers``, from the manifest."""
    from n2uqc.passes.program import InputError

    shape = tuple(kind["shape"])
    if x.dtype.kind not in "iu":
        raise InputError(f"dtype {x.dtype} where integers are taken")
    if x.ndim != 4 or x.shape[1:] != shape:
        raise InputError(f"shape {x.shape} where (N, {', '.join(map(str, shape))}) is taken")
    if x.size and not (kind["min"] <= x.min() and x.max() <= kind["max"]):
        raise InputError(f"values {x.min()}..{x.max()} leave [{kind['min']}, {kind['max']}]")
