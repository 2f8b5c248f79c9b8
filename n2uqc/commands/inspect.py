"""Shows what was recognized in a network: quantizers, layers, real-valued parts with the reasons.

For an ONNX model it prints the quantizers with their thresholds, the layers with their bits, and
how each layer is computed: in integer arithmetic, as part of a comparison table, or in fixed point.
For a saved program it prints the program's text, with hashes of constants.
"""

from __future__ import annotations

import argparse

from n2uqc.console.input_options import add_input_shape, input_shape
from n2uqc.console.model import add_model
from n2uqc.console.output import show

HELP = "what was recognized: layers, bits, thresholds, what stays real-valued"
EXAMPLES = """\
examples:
  n2uqc inspect net.onnx
  n2uqc inspect net.onnx --json > net.json       every threshold and scale, exactly
  n2uqc inspect net.n2uq                         the integer program as text
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    add_input_shape(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.inspect import inspect

    show(inspect(options.model, input_shape=input_shape(options)), options)
    return 0
