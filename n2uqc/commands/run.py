"""Runs a compiled artifact on images: on this machine, or emulated where the machine differs.

The float images become the program's integers, the artifact computes on integers only, and its
output integers become real numbers again in the model's own scale.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.files import UserError, read_array, require_writable
from n2uqc.console.progress import in_pieces
from n2uqc.frontend.escape import plain

from .simulate import add_samples, finish

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
    from n2uqc.backends import read_manifest, run_artifact
    from n2uqc.backends.artifact import PROGRAM, read_file
    from n2uqc.passes.program import load, quantize_input

    manifest = read_manifest(options.artifact)
    if "driver" not in manifest:
        raise UserError(
            f"{plain(options.artifact)} holds no program for a processor but the target "
            f"{manifest.get('target')}; `n2uqc simulate --datapath` runs it"
        )
    require_writable(options.output)
    read_file(options.artifact, manifest, PROGRAM)  # intact, before it is read
    program = load(options.artifact / PROGRAM)
    x = quantize_input(program, read_array(options.input))
    y = in_pieces(lambda piece: run_artifact(options.artifact, piece), x, "artifact")
    finish(program, y, options)
    return 0
