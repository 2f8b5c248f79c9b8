"""Profiles of artifacts: a row for each kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import plain

from ...artifact import read_file, read_manifest
from .chains import chains
from .count import Counted, count_blocks
from .mca import check_core, cycles, find_analyzer

DEFAULT_CORE = "cortex-a72"  # where an artifact is for any core
_ARCHITECTURES = ("aarch64", "armv7", "cortex-m")
_COVERED = 0.999  # share of a kernel's instructions that is given to the cycle estimate


@dataclass(frozen=True)
class Row:
    """One kernel on one sample.

    Attributes:
        symbol: its function.
        operations: outputs of the program's operations that it computes.
        computes: their kinds, such as ``conv_thresholds``.
        kernel: which kernel of the table.
        macs: multiply-accumulates of its convolution as the program states it.
        instructions: executed, exact.
        cycles: estimated, None where none were asked for.
    """

    symbol: str
    operations: tuple[str, ...]
    computes: str
    kernel: str
    macs: int
    instructions: int
    cycles: float | None

    @property
    def macs_per_instruction(self) -> float | None:
        return self.macs / self.instructions if self.macs and self.instructions else None


@dataclass(frozen=True)
class Profile:
    """All kernels of an artifact on one sample.

    Attributes:
        rows: in the order of execution.
        core: that cycles were estimated for, "" where they were not.
        estimator: what estimated them, with its version.
    """

    rows: tuple[Row, ...]
    core: str = ""
    estimator: str = ""

    @property
    def instructions(self) -> int:
        return sum(row.instructions for row in self.rows)

    @property
    def macs(self) -> int:
        return sum(row.macs for row in self.rows)

    @property
    def cycles(self) -> float | None:
        return sum(row.cycles or 0.0 for row in self.rows) if self.core else None


def profile_artifact(
    folder: Path | str,
    x: NDArray[Any] | None = None,
    *,
    core: str = "",
    progress: Callable[[str], None] = lambda symbol: None,
) -> Profile:
    """Run one sample under emulation and count the instructions of every kernel.

    Args:
        folder: where ``Artifact.save`` wrote, of an ARM target.
        x: integers of the input's type, (H, W, C); drawn at random by default.  Kernels have no
            branches that depend on data, so it makes no difference.
        core: estimate cycles for this core, as LLVM names it.
        progress: told the symbol of each kernel that begins, in order.

    Raises:
        CompileError: no ARM artifact, one of an older version, or an unknown core.
        ToolchainError: unicorn is not installed; or llvm-mca, where a core is named.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.get("architecture") not in _ARCHITECTURES:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} is for the target {manifest.get('target')}",
                supported="artifacts for ARM processors, which are counted under emulation",
            )
        )
    if any("symbol" not in kernel for kernel in manifest["kernels"]):
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} was made by an older version, which did not note the "
                "kernels' symbols",
                hint="compile the network again",
            )
        )
    if core:
        check_core(manifest["triple"], core)  # before long work
    for name in (manifest["driver"], manifest["library"]):
        read_file(folder, manifest, name)  # intact, before it is run
    kind = manifest["input"]
    drawn = np.random.default_rng(0).integers(kind["min"], kind["max"] + 1, kind["shape"])
    counted = count_blocks(folder, manifest, drawn if x is None else x, progress)
    kernels = [*manifest["kernels"]]
    check = f"{manifest['function']}_check"
    if check in counted.blocks:
        kernels.insert(
            0,
            {
                "symbol": check,
                "operations": [],
                "computes": "check",
                "kernel": "range of the input",
                "macs": 0,
            },
        )
    rows = tuple(
        Row(
            kernel["symbol"],
            tuple(kernel["operations"]),
            kernel["computes"],
            kernel["kernel"],
            kernel["macs"],
            counted.instructions(kernel["symbol"]),
            _cycles(counted, kernel["symbol"], manifest["triple"], core) if core else None,
        )
        for kernel in kernels
    )
    estimator = f"llvm-mca {find_analyzer().version}" if core else ""
    return Profile(rows, core, estimator)


def default_core(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """The core to estimate cycles for: what the artifact was compiled for, if it is one.

    Args:
        manifest: of an artifact.

    Returns:
        (the core, "") or ("", why no cycles can be estimated for it).
    """
    core = manifest.get("cpu", "")
    core = DEFAULT_CORE if core in ("", "generic") else core
    try:
        check_core(manifest.get("triple", ""), core)
    except CompileError as error:
        return "", str(error)
    return core, ""


def _cycles(counted: Counted, symbol: str, triple: str, core: str) -> float:
    """Estimated cycles; what is hardly ever run counts at the average rate of the rest."""
    runs = sorted(chains(counted.blocks[symbol]), key=lambda r: -r.size * r.count)
    total, taken, hot = sum(r.size * r.count for r in runs), 0, []
    for run in runs:
        if taken >= _COVERED * total:
            break
        hot.append(run)
        taken += run.size * run.count
    estimates = cycles([counted.code(r.address, r.size) for r in hot], triple, core)
    spent = sum(run.count * each for run, each in zip(hot, estimates, strict=True))
    return spent * total / taken if taken else 0.0
