"""What ``n2uqc compile --target fpga`` writes: program, folding, layout with cycles and FIFOs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .files import write_bytes
from .progress import working

if TYPE_CHECKING:
    from n2uqc.passes.program import Program


def write_datapath(program: Program, folder: Path) -> None:
    """Lay out the datapath of a program and write its files.

    ``program.n2uq``, ``folding.json`` (to edit), ``datapath.json`` (engines and FIFOs, with the
    cycles of an image from the cycle-accurate simulation).

    Raises:
        CompileError: the program does not fit the engines.
    """
    import numpy as np

    from n2uqc.backends.fpga import Simulator
    from n2uqc.passes.program import IntType
    from n2uqc.passes.program.store import to_bytes

    kind = program.types[program.input]
    assert isinstance(kind, IntType)
    with working("laying out the datapath"):
        simulator = Simulator(program)
        simulation = simulator.run(np.zeros((0, *kind.shape), np.int64))
    layout = {
        "program": program.name,
        "latency_cycles": simulation.latency,
        "interval_cycles": simulation.interval,
        "engines": [asdict(engine) for engine in simulation.engines],
        "fifos": [asdict(edge) for edge in simulation.edges],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (
        ("program.n2uq", to_bytes(program)),
        ("folding.json", simulator.folding.to_json().encode()),
        ("datapath.json", (json.dumps(layout, indent=2) + "\n").encode()),
    ):
        write_bytes(folder / name, data)
        print(f"wrote {folder / name}")
