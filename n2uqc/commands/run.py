"""Runs a compiled artifact on images: on this machine, or emulated where the machine differs.

The float images are converted to the program's integers, the artifact computes on integers only,
and its output integers are converted to real numbers in the model's scale.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.batches import read_batch, require_outputs_fit
from n2uqc.console.files import require_writable
from n2uqc.console.progress import in_pieces

from .simulate import add_samples, finish, written_names

HELP = "run a compiled artifact (emulated where the machine differs)"
EXAMPLES = """\
examples:
  n2uqc run out/net --input x.npy --output y.npy
  n2uqc run out/net --input x.npz --output codes.npy --integers
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "artifact", metavar="DIR", type=Path, help="the folder that `n2uqc compile` wrote"
    )
    add_samples(parser, output_required=True)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.backends import open_artifact
    from n2uqc.passes.program import quantize_inputs

    artifact = open_artifact(options.artifact)
    require_writable(options.output)
    program = artifact.program
    require_outputs_fit(options.output, written_names(program, options))
    x = quantize_inputs(program, read_batch(options.input, program.interface.inputs))
    y = in_pieces(artifact.runner(), x, "artifact")
    finish(program, y, options)
    return 0
