"""Runs the integer program on images, by the interpreter or through the simulated datapath.

The interpreter defines the meaning of the program. With --datapath the same integers are computed
by a bit- and cycle-accurate simulation of a dataflow pipeline (one matrix-vector engine per layer,
threshold units, stream adders), with a table of cycles per layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.console.batches import read_batch, require_outputs_fit, write_outputs
from n2uqc.console.files import UserError, require_writable, write_arrays
from n2uqc.console.folding import add_folding, clock_hz, given_options, read_folding
from n2uqc.console.model import add_model, add_precision, open_program
from n2uqc.console.progress import in_pieces, progress, working
from n2uqc.frontend.escape import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Named

HELP = "run the integer program here: interpreter, or cycle-accurate datapath"
EXAMPLES = """\
examples:
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


def add_samples(parser: argparse.ArgumentParser, *, output_required: bool = False) -> None:
    """Add the options --input, --output and --integers, which `run` has too."""
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        required=True,
        help="preprocessed images, .npy or .npz (its only array, or the one named x; with several "
        "inputs, one array named as each), float, (N, C, H, W) for any N",
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="Y",
        type=Path,
        required=output_required,
        help="where to write the outputs: float64 in the model's own scale and axis order, .npy; "
        "or .npz, an array named as each output",
    )
    parser.add_argument(
        "--integers",
        action="store_true",
        help="write the program's output integers (int64, channels last) instead",
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.passes.program import quantize_inputs

    if not options.datapath and (given := given_options(options)):
        raise UserError(f"{', '.join(given)}: only with --datapath")
    for path in filter(None, (options.output, options.dump)):
        require_writable(path)
    program = open_program(options)
    require_outputs_fit(options.output, written_names(program, options))
    x = quantize_inputs(program, read_batch(options.input, program.interface.inputs))
    y = _datapath(program, x, options) if options.datapath else _interpreter(program, x, options)
    finish(program, y, options)
    return 0


def written_names(program: Program, options: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of the arrays that ``finish`` writes."""
    from n2uqc.passes.program.boundary import result_names

    if options.integers:
        return tuple(port.name for port in program.interface.outputs)
    return result_names(program)


def finish(program: Program, y: Named, options: argparse.Namespace) -> None:
    """Write the outputs and print the path."""
    from n2uqc.passes.program import real_outputs
    from n2uqc.passes.program.named import samples

    if options.output is not None:
        write_outputs(options.output, y if options.integers else real_outputs(program, y))
        print(f"wrote {plain(options.output)}: {samples(y)} samples")


def _interpreter(program: Program, x: Named, options: argparse.Namespace) -> Named:
    from n2uqc.passes.program import run as run_program
    from n2uqc.passes.program import trace

    if options.dump is None:
        return in_pieces(lambda piece: run_program(program, piece), x, "interpreter")

    tensors = trace(program, x)
    _dump(options.dump, tensors)
    ports = program.interface.outputs
    return {p.name: tensors[name] for p, name in zip(ports, program.outputs, strict=True)}


def _datapath(program: Program, x: Named, options: argparse.Namespace) -> Named:
    from n2uqc.backends.fpga import Simulator
    from n2uqc.console.cycles import print_cycles
    from n2uqc.passes.program.named import samples

    folding = read_folding(options, program)
    with working("compiling the datapath's simulation"):
        simulator = Simulator(program, folding)
    with progress(samples(x), "datapath") as advance:
        simulation = simulator.run(x, dump=options.dump is not None, progress=advance)
    if options.dump is not None:
        _dump(options.dump, simulation.tensors)
    with working("counting cycles"):
        simulation.timing  # noqa: B018 - computed on first access, which may take seconds
    print_cycles(simulation, clock_hz=clock_hz(options))
    return simulation.outputs


def _dump(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    write_arrays(path, tensors)
    print(f"wrote {plain(path)}: {len(tensors)} tensors")
