"""Executed instructions of n2uqc and its peers on AArch64, counted in the same way."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest
from n2uqc.passes.program import Program, run

from .guest.count import count, per_run
from .guest.debian import Guest, guest
from .guest.processor import CORES, Core, describe
from .needs import need
from .outcome import add_json, say, table

_WORKER = Path(__file__).parent / "guest" / "worker.py"
NAMES = {"ort": ("ONNX Runtime int8", "onnxruntime"), "litert": ("LiteRT int8", "ai-edge-litert")}
"""Names of the peers in tables, and of their packages."""


@dataclass(frozen=True)
class Measured:
    """One contestant on one processor.

    Attributes:
        core: name of the processor.
        name: name of the contestant.
        instructions: executed for one sample.
        macs: multiply-accumulates of the sample, with plain convolutions.
    """

    core: str
    name: str
    instructions: float
    macs: int

    def row(self, best_peer: float | None) -> dict[str, Any]:
        """Return a table row, with the ratio of the best peer's instructions to these."""
        return {
            "core": self.core,
            "name": self.name,
            "instructions": round(self.instructions),
            "mac_per_instruction": self.macs / self.instructions,
            "fewer": best_peer / self.instructions if best_peer else None,
        }


def ours(program: Program, core: Core, macs: int, name: str) -> Measured:
    """Compile for a processor, check the result, and count one sample.

    Raises:
        AssertionError: the binary's output is not the interpreter's.
    """
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        folder = compile_program(program, core.target).save(Path(place, "net"))
        manifest = read_manifest(folder)
        kind = manifest["input"]
        x = np.random.default_rng(0).integers(kind["min"], kind["max"] + 1, (1, *kind["shape"]))
        given, result = Path(place, "x.npy"), Path(place, "y.npy")
        np.save(given, x.astype(kind["dtype"]))
        command: list[str | Path] = [folder / manifest["driver"], given, result, "--bench"]
        instructions = per_run(
            lambda runs: count([*command, str(runs)], options=["-cpu", core.emulated]), 1, 3
        )
        assert np.array_equal(np.load(result), run(program, x)), f"{name}: wrong output"
    return Measured(core.name, name, instructions, macs)


def peer(
    kind: str, model: Path, at: Guest, core: Core, macs: int, runs: tuple[int, int] = (2, 6)
) -> Measured:
    """Count one inference of a peer's model in the guest, without the start-up."""
    options = [
        "-cpu",
        core.emulated,
        "-L",
        str(describe(at, core)),
        "-E",
        f"PYTHONHOME={at.root / 'usr'}",
        "-E",
        f"PYTHONPATH={at.packages}",
    ]
    command: list[str | Path] = [at.python, _WORKER, kind, model]
    instructions = per_run(lambda n: count([*command, str(n)], options=options), *runs)
    return Measured(core.name, NAMES[kind][0], instructions, macs)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks under emulation have."""
    parser.add_argument(
        "--cores",
        nargs="+",
        metavar="CORE",
        default=list(CORES),
        choices=list(CORES),
        help=f"of {', '.join(CORES)}",
    )
    parser.add_argument("--no-peers", action="store_true", help="count n2uqc's binaries only")
    parser.add_argument(
        "--guest", type=Path, metavar="DIR", help="where the peers' AArch64 Linux is kept"
    )
    add_json(parser)


def ready(
    options: argparse.Namespace, needed: Sequence[str] = (), peers: Sequence[str] = ()
) -> Guest | None:
    """Return the guest with the peers, or None if no peers are measured.

    Args:
        options: options of ``add_options``.
        needed: packages for the benchmark; ``peers``: packages for the models of the peers.

    Raises:
        SystemExit: this machine cannot run it.
    """
    need("qemu-aarch64", "gcc", *needed)
    if options.no_peers:
        return None
    need("flatbuffers", *peers)
    try:
        return guest(options.guest)
    except RuntimeError as error:
        raise SystemExit(f"{error}\n--no-peers counts n2uqc's binaries only") from None


def tell(measured: Measured) -> Measured:
    """Print a result while the others are still being counted; return it."""
    say(f"{measured.core}: {measured.name}: {measured.instructions:,.0f} instructions")
    return measured


def rows_of(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    """Return table rows by processor, each compared with the best peer on it."""
    everything = list(measured)
    peers = {name for name, _ in NAMES.values()}
    rows = []
    for core in dict.fromkeys(m.core for m in everything):
        here = [m for m in everything if m.core == core]
        best = min((m.instructions for m in here if m.name in peers), default=None)
        rows += [m.row(best) for m in here]
    return rows


def text_of(rows: list[dict[str, Any]]) -> str:
    """Return the table."""
    return table(
        rows,
        {
            "core": "processor",
            "name": "",
            "instructions": "instructions",
            "mac_per_instruction": "MAC/instr.",
            "fewer": "fewer than best peer",
        },
    )
