"""Runs the integer program on images, by the interpreter or through the simulated datapath.

The interpreter defines the meaning of the program. With --datapath the same integers are computed
by a bit- and cycle-accurate simulation of a dataflow pipeline (one matrix-vector engine per layer,
threshold units, stream adders), with a table of cycles per layer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.api.errors import UserError
from n2uqc.console.batches import read_batch
from n2uqc.console.files import require_writable, write_arrays
from n2uqc.console.folding import add_folding, clock_hz, given_options, read_folding
from n2uqc.console.model import add_model, add_precision, opened
from n2uqc.console.output import tell_written
from n2uqc.console.progress import TERMINAL
from n2uqc.console.samples import add_samples, finish, require_room

HELP = "run the integer program here: interpreter, or cycle-accurate datapath"
EXAMPLES = """\
examples:
  n2uqc simulate net.onnx --input x.npy                         prints the first outputs
  n2uqc simulate net.onnx --input x.npy --output y.npy
  n2uqc simulate net.onnx --input x.npz --output y.npz          inputs and outputs by name
  n2uqc simulate net.onnx --input x.npy --output y.npy --datapath
  n2uqc simulate net.onnx --input x.npy --datapath --target-fps 5000 --clock 150
  n2uqc simulate net.onnx --input x.npy --dump tensors.npz      every named integer tensor
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    add_samples(parser)
    parser.add_argument(
        "--dump",
        metavar="F.npz",
        type=Path,
        help="write every named tensor, int64 (N,H,W,C), under its name in the program's text",
    )
    parser.add_argument(
        "--datapath", action="store_true", help="simulate the hardware pipeline, count its cycles"
    )
    add_folding(parser)
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.simulate import simulate

    if not options.datapath and (given := given_options(options)):
        raise UserError(f"{', '.join(given)}: only with --datapath")
    for path in filter(None, (options.output, options.dump)):
        require_writable(path)
    program = opened(options).program
    require_room(program, options)
    found = simulate(
        program,
        read_batch(options.input, program.interface.inputs),
        datapath=options.datapath,
        integers=options.integers,
        dump=options.dump is not None,
        folding=read_folding(options, program) if options.datapath else None,
        clock_hz=clock_hz(options),
        progress=TERMINAL,
    )
    if options.dump is not None:
        write_arrays(options.dump, found.tensors)
        tell_written(options.dump, options, f"{len(found.tensors)} tensors")
    finish(found, options)
    return 0
