"""What ``n2uqc compile --target fpga`` writes: program, folding, layout with cycles and FIFOs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from .progress import working

if TYPE_CHECKING:
    from n2uqc.backends import Artifact
    from n2uqc.passes.program import Program


def datapath_artifact(program: Program) -> Artifact:
    """Lay out the datapath of a program.

    The artifact holds ``program.n2uq``, ``folding.json`` (to edit) and ``datapath.json`` (engines
    and FIFOs, with the cycles of an image from the cycle-accurate simulation).

    Raises:
        CompileError: the program does not fit the engines.
    """
    import numpy as np

    from n2uqc import __version__
    from n2uqc.backends import Artifact
    from n2uqc.backends.artifact import PROGRAM
    from n2uqc.backends.fpga import Simulator
    from n2uqc.passes.program import IntType
    from n2uqc.passes.program.store import to_bytes

    kind = program.types[program.input]
    assert isinstance(kind, IntType)
    with working("laying out the datapath"):
        simulator = Simulator(program)
        simulation = simulator.run(np.zeros((0, *kind.shape), np.int64))
    cycles = {"latency_cycles": simulation.latency, "interval_cycles": simulation.interval}
    layout = {
        "engines": [asdict(engine) for engine in simulation.engines],
        "fifos": [asdict(edge) for edge in simulation.edges],
        **cycles,
    }
    files = {
        PROGRAM: to_bytes(program),
        "folding.json": simulator.folding.to_json().encode(),
        "datapath.json": (json.dumps(layout, indent=2) + "\n").encode(),
    }
    facts = {"target": "fpga", "program": program.name, "n2uqc": __version__, **cycles}
    return Artifact(files, frozenset(), facts)
