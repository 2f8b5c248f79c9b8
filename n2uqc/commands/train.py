"""Trains a low-bit network on your own data by a recipe, and measures its integer program.

First the float network of the recipe is trained, or read, with labels; then its low-bit twin, whose
thresholds begin where the float network's values lie, learns the float network's outputs (or those
of another teacher, or labels, or both). After each epoch a checkpoint is written, with which
--resume goes on as if nothing had happened. At the end the network is exported to ONNX, and the
accuracies of the float network, of the low-bit one in torch, of the file in ONNX Runtime, and of
the integer program stand in one table. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.example import PrintExample
from n2uqc.console.files import require_writable
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.models.training.example import EXAMPLE

HELP = "train a low-bit network on your own data, by a recipe"
EXAMPLES = f"""\
examples:
  n2uqc train --example > recipe.toml                a complete recipe, to edit
  n2uqc train recipe.toml
  n2uqc train recipe.toml --resume                   after a kill, with the same result
  n2uqc train recipe.toml --device cuda -o out/gpu --json

the recipe that --example prints:

{EXAMPLE}"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("recipe", metavar="RECIPE.toml", type=Path, help="what to train, and how")
    parser.add_argument(
        "--example", action=PrintExample, text=EXAMPLE, help="print a complete recipe and leave"
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="DIR",
        type=Path,
        help="folder of the results, instead of the recipe's",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the folder's checkpoint, if it has one",
    )
    parser.add_argument(
        "--device", metavar="D", default="cpu", help="cpu, cuda or cuda:N (default cpu)"
    )
    parser.add_argument(
        "--executor",
        metavar="NAME",
        default="interpreter",
        help="what runs the integer program at the end: interpreter, host, datapath, or a target "
        "of `n2uqc compile` that can run here (interpreter)",
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.train import train

    if options.output is not None:
        require_writable(options.output, folder=True)
    found = train(
        options.recipe,
        options.output,
        resume=options.resume,
        device=options.device,
        executor=options.executor,
        progress=TERMINAL,
    )
    show(found, options)
    return 0
