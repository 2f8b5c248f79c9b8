"""The frontend's entry point: reads an ONNX file and returns the canonical graph."""

from __future__ import annotations

import logging
from collections.abc import Callable

import onnx_ir as ir

from .canonical import verify
from .check import check_interface, to_graph
from .cleanup import CAST_LIKE, EXPAND, IDENTITY, fold_constants
from .constants import GraphConstants
from .host_part import cut_host_part
from .input_shape import InputShape, fix_input_shape
from .integer_operators import to_float_operators
from .normalizations import take_apart_normalizations
from .opset import OUTPUTS
from .pixel_inputs import as_real_inputs
from .precision import ROUNDOFF
from .read import read_model
from .recognize import EXPECTATION, PATTERNS, PATTERNS_BEFORE_FOLDING, Context
from .runtime_fusions import take_apart
from .schemas import DOMAIN, STANDARD_VERSION, VERSION
from .shapes import bind_batch, release_batch
from .sizes import check_sizes
from .source import Source
from .unsupported_kinds import check_kinds
from .upgrade import settle_joined_axes

Progress = Callable[[str], None]


# Whatever onnx_ir warns about becomes a CompileError here; without a handler it would be printed.
logging.getLogger("onnx_ir").addHandler(logging.NullHandler())


def load_graph(
    source: Source,
    progress: Progress | None = None,
    *,
    input_shape: InputShape | None = None,
    integer_heads: bool = False,
) -> ir.Model:
    """Read an exported N2UQ network and recognize its quantizers.

    The result holds only the operators of `schemas.CANONICAL_OPS`, all parameters as initializers,
    and all shapes static except a dynamic batch. Nodes keep their ONNX names; a node that replaces
    others carries the name and the output name of the last of them. Two outputs may have become one
    value; the names in the file are those of ``opset.output_names``.

    Args:
        source: path of an .onnx file (external data beside it), its bytes, or a model of ``onnx``
            or ``onnx_ir``, which is not changed.
        progress: called with the name of each stage as it begins.
        input_shape: sizes for dynamic axes of the input, with or without the batch, or of inputs by
            name.
        integer_heads: whether Softmax, LogSoftmax, Sigmoid and roots behind the last layer belong
            to the program; else the host computes them.

    Raises:
        CompileError: lists every reason why the network cannot be compiled.
    """
    say = progress or (lambda _: None)
    say("reading")
    proto = read_model(source)
    if input_shape is not None:
        fix_input_shape(proto, input_shape)
    model = to_graph(proto)
    check_kinds(model)
    as_real_inputs(model)
    check_interface(model)
    model.meta[OUTPUTS] = [str(value.name) for value in model.graph.outputs]
    take_apart(model)
    to_float_operators(model)
    say("inferring shapes")
    batch = bind_batch(model)
    settle_joined_axes(model)
    take_apart_normalizations(model)
    constants = GraphConstants(model, batch.sizes)
    check_sizes(model, constants)
    context = Context(model, constants, batch.size, batch.symbol is not None, model.meta[ROUNDOFF])
    for pattern in (CAST_LIKE, IDENTITY, EXPAND, EXPECTATION):
        say(f"recognizing {pattern.name}")
        context.run(pattern)
    cut_host_part(context, integer=integer_heads)
    for pattern in PATTERNS_BEFORE_FOLDING:
        say(f"recognizing {pattern.name}")
        context.run(pattern)
    say("folding constants")
    fold_constants(context)
    for pattern in (IDENTITY, *PATTERNS):
        say(f"recognizing {pattern.name}")
        context.run(pattern)
    say("verifying")
    verify(context)
    release_batch(model, batch)
    model.graph.opset_imports.clear()
    model.graph.opset_imports.update({"": STANDARD_VERSION, DOMAIN: VERSION})
    return model
