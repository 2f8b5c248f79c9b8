"""A quantizer of three thresholds that tests write in many ways, and the node it becomes."""

from __future__ import annotations

import onnx_ir as ir

from n2uqc.frontend.opset import Threshold, read_threshold
from tests.frontend.networks import node

THRESHOLDS = [-0.5, 0.1, 0.9]
LEVELS = [0.0, 2 / 3, 4 / 3, 2.0]


def the_threshold(graph: ir.Model) -> Threshold:
    """Return the parameters of the only Threshold of a graph."""
    return read_threshold(node(graph, "Threshold"))
