"""The pipeline, top to bottom: from a trained network to its integer program."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from n2uqc.frontend import escape
from n2uqc.frontend.schemas import DOMAIN

from .base import Observer, Pass, plain, run_passes
from .checks.promise import PrecisionWarning, kept_by
from .exact.affine_tables import affine_tables
from .exact.constant_channels import constant_channels
from .exact.integer_layers import integer_layers
from .exact.integer_thresholds import integer_thresholds
from .exact.merge_affine import hoist_bias, merge_affine
from .exact.narrow_types import narrow_types
from .fixed_point.elementwise import fixed_point
from .importing.channels_last import channels_last
from .importing.from_graph import import_graph
from .importing.pixel_input import pixel_input
from .options import Options
from .plan_memory import plan_memory
from .program import Program
from .program.store import is_program_file
from .program.store import load as load_program

_SHAPE = "input_shape"  # in a program's metadata

PIPELINE: tuple[Pass, ...] = (
    Pass("pixel-input", pixel_input),
    Pass("channels-last", plain(channels_last)),
    Pass("integer-layers", integer_layers),
    Pass("merge-affine", plain(merge_affine)),
    Pass("hoist-bias", plain(hoist_bias)),
    Pass("fixed-point", fixed_point),
    Pass("integer-thresholds", plain(integer_thresholds), lowered=True),
    Pass("constant-channels", plain(constant_channels), lowered=True),
    Pass("affine-tables", plain(affine_tables), lowered=True),
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
    """The integer program of a canonical graph.

    Raises:
        CompileError: what the passes refuse, by node.
    """
    options = options or Options()
    program = import_graph(graph, name)
    program = replace(program, metadata={**(metadata or {}), **options.facts()})
    return run_passes(program, options, PIPELINE, observe)


def load(
    path: str | Path,
    options: Options | None = None,
    *,
    calibration: NDArray[Any] | None = None,
    input_shape: Sequence[int] | None = None,
    observe: Observer | None = None,
) -> Program:
    """Read a trained network and compile it to its integer program.

    Args:
        path: an ONNX file, or a program saved by n2uqc, which is returned as it is.
        options: widths and ranges of the fixed-point parts.
        calibration: images (N, C, H, W) to which the fixed-point formats are fitted.
        input_shape: sizes for axes of the input that the file leaves open, as (C, H, W).
        observe: called after each pass, each time that the network is compiled.

    Raises:
        CompileError: everything that is not supported, listed by node.
        StoreError: a saved program is damaged.

    Warns:
        UserWarning: the network quantizes nothing, so that all of it becomes fixed point.
        PrecisionWarning: outputs or codes lose more than the precision promises
            (``checks.promise``); open widths are widened before.
    """
    path = Path(path)
    if is_program_file(path):
        return load_program(path)
    from n2uqc.frontend.load import load_graph

    options = options or Options()
    if calibration is not None:
        options = replace(options, calibration=calibration)
    graph = load_graph(path, input_shape=input_shape)
    if not any(node.domain == DOMAIN and node.op_type != "Weight" for node in graph.graph):
        warnings.warn(
            f"{escape.plain(path)}: no activation quantizer was recognised, so the whole network "
            "becomes fixed point; is it the float network that was exported?",
            stacklevel=2,
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    facts = {"model_sha256": digest}
    if input_shape is not None:
        facts[_SHAPE] = ",".join(map(str, input_shape))

    def compiled(chosen: Options) -> Program:
        return compile_graph(graph, chosen, name=path.stem, metadata=facts, observe=observe)

    program, loss = kept_by(graph, options, compiled)
    if loss is not None:
        warnings.warn(f"{escape.plain(path)}: {loss}", PrecisionWarning, stacklevel=2)
    return program


def graph_of(path: str | Path, program: Program) -> ir.Model:
    """The network of an ONNX file as `load` read it for this program: of the same input shape.

    Raises:
        CompileError: everything that is not supported, listed by node.
    """
    from n2uqc.frontend.load import load_graph

    text = program.metadata.get(_SHAPE)
    shape = None if text is None else [int(size) for size in text.split(",")]
    return load_graph(path, input_shape=shape)
