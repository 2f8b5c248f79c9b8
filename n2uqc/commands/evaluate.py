"""Measures how often the network's greatest output is the label, on any executor.

The integer program classifies each image; images in an .npy file are read as they are needed, so
that their number does not matter. With an ONNX model and its reference software installed (for
standard operators ONNX Runtime), the float network classifies the same images: its own accuracy,
and on how many images both agree.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.files import map_array, read_array
from n2uqc.console.model import add_model, add_precision, opened
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.frontend.escape import plain

HELP = "accuracy, confusions and agreement with the float network, on any executor"
EXAMPLES = """\
examples:
  n2uqc evaluate net.onnx --input x.npy --labels y.npy
  n2uqc evaluate net.onnx --input x.npy --labels y.npy --executor aarch64
  n2uqc evaluate net.n2uq --input x.npy --labels y.npy --executor host --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        required=True,
        help="images as the network takes them, .npy or .npz, (N, C, H, W)",
    )
    parser.add_argument(
        "--labels",
        "-l",
        metavar="Y",
        type=Path,
        required=True,
        help="the right class of each, integers (N,), .npy or .npz",
    )
    parser.add_argument(
        "--executor",
        metavar="NAME",
        default="interpreter",
        help="what runs the program: interpreter, host, datapath, or a target of `n2uqc compile` "
        "that can run here (interpreter)",
    )
    parser.add_argument(
        "--no-float", action="store_true", help="do not run the float network beside it"
    )
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.evaluate import evaluate
    from n2uqc.backends import find_target

    find_target(options.executor)  # a wrong name is refused before the work begins
    images, labels = map_array(options.input), read_array(options.labels)
    found = evaluate(
        opened(options),
        images,
        labels,
        executor=options.executor,
        beside_float=not options.no_float,
        source=plain(options.labels),
        progress=TERMINAL,
    )
    show(found, options)
    return 0
