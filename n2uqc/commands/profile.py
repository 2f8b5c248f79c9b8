"""Counts the instructions of a compiled artifact, kernel by kernel, and estimates cycles.

One sample runs under emulation and every basic block is counted, so the number of instructions is
exact. Cycles are estimates of llvm-mca for a named core, without caches and branch mispredictions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.api.errors import UserError
from n2uqc.console.batches import read_batch
from n2uqc.console.progress import progress, wide_console
from n2uqc.frontend.escape import json_text, markup, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console

    from n2uqc.backends.cpu.profile import Profile

HELP = "instructions and estimated cycles of an ARM artifact, by kernel"
EXAMPLES = """\
examples:
  n2uqc profile out/net
  n2uqc profile out/net --core cortex-a53
  n2uqc profile out/net --input x.npy --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "artifact", metavar="DIR", type=Path, help="the folder that `n2uqc compile` wrote"
    )
    parser.add_argument(
        "--core",
        metavar="CPU",
        help="estimate cycles for this core, as LLVM names it: "
        "cortex-a53, cortex-a55, cortex-a72, cortex-a76, neoverse-n1 (the core that the artifact "
        "was compiled for, else cortex-a72, where llvm-mca is installed)",
    )
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        help="images (N,C,H,W) of which the first is run, "
        ".npy or .npz; by default random integers, which count the same",
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.backends import read_manifest
    from n2uqc.backends.cpu.profile import default_core, profile_artifact

    manifest = read_manifest(options.artifact)
    core, hint = (options.core, "") if options.core else default_core(manifest)
    x = _sample(options, manifest)
    with _by_kernel(len(manifest.get("kernels", ()))) as advance:
        profile = profile_artifact(options.artifact, x, core=core, progress=advance)
    if options.json:
        print(json_text(to_json(profile)), end="")
        return 0
    print_profile(profile)
    if hint:
        print(hint)
    return 0


@contextmanager
def _by_kernel(count: int) -> Iterator[Callable[[str], None]]:
    with progress(count, "counting") as advance:
        yield lambda symbol: advance(1)


def _sample(
    options: argparse.Namespace, manifest: dict[str, Any]
) -> dict[str, NDArray[Any]] | None:
    if options.input is None:
        return None
    from n2uqc.backends.manifest import PROGRAM, read_file
    from n2uqc.passes.program import load, quantize_inputs
    from n2uqc.passes.program.named import samples

    read_file(options.artifact, manifest, PROGRAM)
    program = load(options.artifact / PROGRAM)
    x = quantize_inputs(program, read_batch(options.input, program.interface.inputs))
    if not samples(x):
        raise UserError(f"{plain(options.input)}: holds no image")
    return {name: value[0] for name, value in x.items()}


def to_json(profile: Profile) -> dict[str, Any]:
    """Return the profile as JSON values; cycles are null if they were not estimated."""
    return {
        "instructions": profile.instructions,
        "macs": profile.macs,
        "estimated_cycles": profile.cycles,
        "core": profile.core or None,
        "estimator": profile.estimator or None,
        "kernels": [
            {
                "symbol": row.symbol,
                "operations": list(row.operations),
                "computes": row.computes,
                "kernel": row.kernel,
                "macs": row.macs,
                "instructions": row.instructions,
                "macs_per_instruction": row.macs_per_instruction,
                "estimated_cycles": row.cycles,
            }
            for row in profile.rows
        ],
    }


def print_profile(profile: Profile, console: Console | None = None) -> None:
    """Print one line per kernel, and the totals."""
    from rich import box
    from rich.table import Table

    console = console or wide_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("computes", overflow="fold")
    table.add_column("kernel", overflow="fold")
    for title in ("MAC", "instructions", "share", "MAC/instr"):
        table.add_column(title, justify="right", no_wrap=True)
    if profile.core:
        table.add_column("est. cycles", justify="right", no_wrap=True)
        table.add_column("share", justify="right", no_wrap=True)
    for row in profile.rows:
        layer = row.operations[0] if row.operations else ""
        rate = row.macs_per_instruction
        cells = [
            markup(layer),
            markup(row.computes.replace("_", " ")),
            markup(row.kernel),
            f"{row.macs:,}" if row.macs else "",
            f"{row.instructions:,}",
            f"{row.instructions / max(profile.instructions, 1):.1%}",
            f"{rate:.2f}" if rate else "",
        ]
        if profile.cycles is not None and row.cycles is not None:
            cells += [f"{row.cycles:,.0f}", f"{row.cycles / max(profile.cycles, 1):.1%}"]
        table.add_row(*cells)
    console.print(table)
    text = f"{profile.instructions:,} instructions"
    if profile.macs:
        text += f", {profile.macs:,} MAC, {profile.macs / max(profile.instructions, 1):.2f} a piece"
    console.print(text)
    if profile.cycles is not None:
        console.print(
            f"about {profile.cycles:,.0f} cycles on {profile.core}: an estimate of "
            f"{profile.estimator} without caches and branch mispredictions"
        )
