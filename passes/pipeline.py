"""The list of all passes, from a trained network to its integer program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.source import Source

from .exact.affine_tables import affine_tables
from .exact.constant_channels import constant_channels
from .exact.integer_heads import integer_heads
from .exact.integer_layers import integer_layers
from .exact.integer_thresholds import integer_thresholds
from .exact.merge_affine import hoist_bias, merge_affine
from .exact.narrow_types import narrow_types
from .exact.quantizer_steps import quantizer_steps
from .fixed_point.elementwise import fixed_point
from .importing.channels_last import channels_last
from .importing.from_graph import import_graph
from .importing.pixel_input import pixel_input
from .options import INTEGER_HEADS, Options
from .pass_manager import Observer, Pass, plain, run_passes
from .plan_memory import plan_memory
from .program import Program

INPUT_SHAPE = "input_shape"
"""Key of a program's metadata: sizes that the user gave for dynamic axes (`shape_text`)."""

PIPELINE: tuple[Pass, ...] = (
    Pass("pixel-input", pixel_input),
    Pass("channels-last", plain(channels_last)),
    Pass("quantizer-steps", plain(quantizer_steps)),
    Pass("integer-layers", integer_layers),
    Pass("merge-affine", plain(merge_affine)),
    Pass("hoist-bias", plain(hoist_bias)),
    Pass("fixed-point", fixed_point),
    Pass("integer-thresholds", plain(integer_thresholds), lowered=True),
    Pass("constant-channels", plain(constant_channels), lowered=True),
    Pass("affine-tables", plain(affine_tables), lowered=True),
    Pass("integer-heads", plain(integer_heads), lowered=True),
    Pass("narrow-types", plain(narrow_types), lowered=True),
    Pass("plan-memory", plain(plan_memory), lowered=True),
)


def compile_graph(
    graph: ir.Model,
    options: Options | None = None,
    *,
    name: str = "network",
    metadata: Mapping[str, str] | None = None,
    observe: Observer | None = None,
) -> Program:
    """Compile a canonical graph to its integer program.

    Raises:
        CompileError: lists what the passes refuse, by node.
    """
    options = options or Options()
    program = import_graph(graph, name)
    program = replace(program, metadata={**(metadata or {}), **options.facts()})
    return run_passes(program, options, PIPELINE, observe)


def shape_text(shape: InputShape) -> str:
    """Return sizes that the user gave, as a program's metadata holds them."""
    if isinstance(shape, Mapping):
        return json.dumps({name: [int(size) for size in sizes] for name, sizes in shape.items()})
    return ",".join(map(str, shape))


def graph_of(source: Source, program: Program) -> ir.Model:
    """Load the graph of a network with the input shape that a program was compiled for.

    Raises:
        CompileError: lists everything that is not supported, by node.
    """
    text = program.metadata.get(INPUT_SHAPE)
    return load_graph(
        source,
        input_shape=None if text is None else _stated_shape(text),
        integer_heads=INTEGER_HEADS in program.metadata,
    )


def _stated_shape(text: str) -> InputShape:
    """Return the sizes of `shape_text`."""
    try:
        if not text.startswith("{"):
            return [int(size) for size in text.split(",")]
        named = json.loads(text)
        return {str(name): [int(size) for size in sizes] for name, sizes in named.items()}
    except (ValueError, TypeError, RecursionError):
        raise CompileError(f"the program's metadata states no input shape: {text!r:.80}") from None
