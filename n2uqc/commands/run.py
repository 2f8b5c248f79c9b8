"""Runs a compiled artifact on images: on this machine, or emulated where the machine differs.

The float images are converted to the program's integers, the artifact computes on integers only,
and its output integers are converted to real numbers in the model's scale.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.batches import read_batch
from n2uqc.console.files import require_writable
from n2uqc.console.progress import TERMINAL
from n2uqc.console.samples import add_samples, finish, require_room

HELP = "run a compiled artifact (emulated where the machine differs)"
EXAMPLES = """\
examples:
  n2uqc run out/net --input x.npy --output y.npy
  n2uqc run out/net --input x.npy                        prints the first outputs
  n2uqc run out/net --input x.npz --output codes.npy --integers
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "artifact", metavar="DIR", type=Path, help="the folder that `n2uqc compile` wrote"
    )
    add_samples(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.simulate import run as run_artifact
    from n2uqc.backends import open_artifact

    artifact = open_artifact(options.artifact)
    if options.output is not None:
        require_writable(options.output)
    program = artifact.program
    require_room(program, options)
    images = read_batch(options.input, program.interface.inputs)
    found = run_artifact(artifact, images, integers=options.integers, progress=TERMINAL)
    finish(found, options)
    return 0
