"""Profiles of artifacts: one row per kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import plain
from n2uqc.passes.program.interface import only

from ...binary import require_driver
from ...manifest import inputs_of, read_file, read_manifest
from ...target import Target
from .chains import chains
from .count import Counted, count_blocks
from .mca import check_core, cycles, find_analyzer

DEFAULT_CORE = "cortex-a72"  # for artifacts that are for any core of ARM
_DEFAULT_CORES = {"riscv64": "sifive-u74"}
_ARCHITECTURES = ("aarch64", "armv7", "cortex-m", "riscv64")
_COVERED = 0.999  # share of a kernel's instructions whose cycles are estimated


@dataclass(frozen=True)
class Row:
    """The profile of one kernel for one sample.

    Attributes:
        symbol: name of its function.
        operations: outputs of the operations that it computes.
        computes: their mnemonics, such as ``conv_thresholds``.
        kernel: name of the kernel.
        macs: multiply-accumulates of its convolution as the program states it.
        instructions: executed instructions (exact).
        cycles: estimated cycles; None if not requested.
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
    """The profile of an artifact for one sample.

    Attributes:
        rows: the kernels in order of execution.
        core: core that cycles were estimated for; "" if they were not.
        estimator: name and version of the estimator.
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


def require_counted(target: Target) -> None:
    """Refuse a target whose instructions are not counted, before anything is built for it.

    Raises:
        CompileError: the target is a datapath or a program, this machine, a processor that is not
            emulated, or a library of several levels.
    """
    processor = getattr(target, "processor", None)
    if processor is None or processor.architecture not in _ARCHITECTURES or processor.levels:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"instructions of the target {plain(target.name)} are not counted",
                supported=f"one processor of {', '.join(_ARCHITECTURES)}",
            )
        )


def profile_artifact(
    folder: Path | str,
    x: NDArray[Any] | Mapping[str, NDArray[Any]] | None = None,
    *,
    core: str = "",
    progress: Callable[[str], None] = lambda symbol: None,
) -> Profile:
    """Run one sample under emulation and count the instructions of every kernel.

    Args:
        folder: folder of a saved artifact for a target of ``_ARCHITECTURES``.
        x: integers of each input's type by name, (H, W, C), bare for a single input; random by
            default. Only on RISC-V, which has no conditional moves, do branches depend on data.
        core: core to estimate cycles for, in LLVM's spelling; "" for no estimate.
        progress: called with the symbol of each kernel when it begins.

    Raises:
        CompileError: the folder is no ARM artifact or one of an older version, or the core is
            unknown.
        ToolchainError: unicorn is not installed; or, if a core is named, llvm-mca.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if x is not None and not isinstance(x, Mapping):
        names = [tensor["name"] for tensor in inputs_of(manifest)]
        x = {only(names, names, "inputs"): x}
    if manifest.get("architecture") not in _ARCHITECTURES:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} is for the target {manifest.get('target')}",
                supported=f"artifacts for {', '.join(_ARCHITECTURES)}, counted under emulation",
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
    require_driver(manifest)
    if any("level" in kernel for kernel in manifest["kernels"]):
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} holds kernels for several levels of processors",
                hint="profile one of them: compile for aarch64, aarch64+dotprod or aarch64+i8mm",
            )
        )
    if core:
        check_core(manifest["triple"], core)  # before the long emulation
    for name in (manifest["driver"], manifest["library"]):
        read_file(folder, manifest, name)  # checks the hash before it is run
    if x is None:
        rng = np.random.default_rng(0)
        x = {
            tensor["name"]: rng.integers(tensor["min"], tensor["max"] + 1, tensor["shape"])
            for tensor in inputs_of(manifest)
        }
    counted = count_blocks(folder, manifest, x, progress)
    kernels = [*manifest["kernels"]]
    checks = [f"{manifest['function']}_check{k or ''}" for k in range(len(inputs_of(manifest)))]
    kernels[:0] = [
        {
            "symbol": check,
            "operations": [],
            "computes": "check",
            "kernel": "range of the input",
            "macs": 0,
        }
        for check in checks
        if check in counted.blocks
    ]
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
    """Return the core to estimate cycles for: the one that the artifact was compiled for.

    Args:
        manifest: manifest of an artifact.

    Returns:
        (the core, ""), or ("", the reason why cycles cannot be estimated).
    """
    core = manifest.get("cpu", "")
    if core in ("", "generic", "generic-rv64"):
        core = _DEFAULT_CORES.get(manifest.get("architecture", ""), DEFAULT_CORE)
    try:
        check_core(manifest.get("triple", ""), core)
    except CompileError as error:
        return "", str(error)
    return core, ""


def _cycles(counted: Counted, symbol: str, triple: str, core: str) -> float:
    """Estimate a kernel's cycles; rarely executed code counts at the average rate of the rest."""
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
