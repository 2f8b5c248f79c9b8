"""Proves the comparison tables and compares every executor with the interpreter, bit for bit.

The proof evaluates the parameters of the trained network in exact arithmetic for every integer that
can reach a table, channel by channel. It needs the ONNX model, because a saved program has no
trained parameters. With --against NETWORK the tables of a saved program are proved; everything else
in it is then compared with the program that the network compiles to, with the options that the
saved program states.

The certificate states the SHA-256 of the model and the program, how many values were compared, and
each difference. The exit status is 1 if there is any difference. Without --input, images are drawn
over the program's whole input range: corners, constants, checkerboards, ramps, points, noise.

If the ONNX model is given, the network itself is evaluated too, in float64 and independently of the
compiler's passes, on drawn images and on those of --input. Every code must equal the network's
code, unless a threshold is within the proven error of the compared value, and every output must be
within the error that its type states; any other value is a difference. With --input the certificate
also reports, by layer, how many activation codes differ from exact arithmetic on these images, and
how far the outputs are from exact arithmetic and from float32.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.api.errors import UserError
from n2uqc.api.hashes import sha256
from n2uqc.console.batches import read_batch
from n2uqc.console.files import require_writable, write_bytes
from n2uqc.console.model import add_model, add_precision, opened
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.frontend.escape import json_text, plain

HELP = "prove the tables, run every executor, print a certificate"
EXAMPLES = """\
examples:
  n2uqc verify net.onnx
  n2uqc verify net.onnx --input x.npy --output certificate.json
  n2uqc verify net.n2uq --executors host,datapath --samples 500
  n2uqc verify net.n2uq --against net.onnx
  n2uqc verify net.onnx --target armv7,cortex-m4,aarch64+dotprod
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        help="preprocessed images (N, C, H, W), .npy, or .npz with an array named as each input; "
        "drawn if not given",
    )
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help="images to draw without --input (64, fewer of a network with large maps)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the drawn images (0)")
    parser.add_argument(
        "--executors",
        "--target",
        metavar="LIST",
        help="which to compare: interpreter, host, datapath, targets of `n2uqc compile` such as "
        "cortex-m4 (interpreter, host, aarch64 and datapath)",
    )
    parser.add_argument(
        "--against",
        metavar="NET.onnx",
        type=Path,
        help="the network a saved program was compiled from: proves it to be that network's",
    )
    parser.add_argument(
        "--output", "-o", metavar="F.json", type=Path, help="also write the certificate as JSON"
    )
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.verify import chosen_targets, verify

    executors = None if options.executors is None else options.executors.split(",")
    chosen_targets(executors)  # a wrong name is refused before the work begins
    if options.output is not None:
        require_writable(options.output)
    if options.samples is not None and options.samples < 1:
        raise UserError(f"--samples is {options.samples}; it takes at least 1")
    model = opened(options)
    images = source = None
    if options.input is not None:
        images = read_batch(options.input, model.program.interface.inputs)
        source = f"{plain(options.input)} (sha256 {sha256(options.input.read_bytes())})"
    certificate = verify(
        model,
        against=options.against,
        images=images,
        samples=options.samples,
        seed=options.seed,
        executors=executors,
        source=source,
        progress=TERMINAL,
    )
    if options.output is not None:
        write_bytes(options.output, json_text(certificate.to_json()).encode())
    show(certificate, options)
    return 0 if certificate.identical else 1
