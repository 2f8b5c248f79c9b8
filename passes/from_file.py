"""``load``: from a network or a file to an integer program."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.schemas import DOMAIN, QUANTIZERS
from n2uqc.frontend.source import Source, digest, label, require_source, stem

from .checks.promise import PrecisionWarning, kept_by
from .options import Options
from .pass_manager import Observer
from .pipeline import INPUT_SHAPE, compile_graph, shape_text
from .program import Program
from .program.named import Batch
from .program.store import PREFIX, is_program_file
from .program.store import load as load_program


def is_program(source: Source) -> bool:
    """Return whether a source is a saved program and not a network, by its content."""
    if isinstance(source, bytes):
        return source.startswith(PREFIX)
    return isinstance(source, str | os.PathLike) and is_program_file(Path(source))


def load(
    source: Source,
    options: Options | None = None,
    *,
    calibration: Batch | None = None,
    input_shape: InputShape | None = None,
    observe: Observer | None = None,
) -> Program:
    """Read a trained network and compile it to its integer program.

    Args:
        source: path of an ONNX file, its content, or a model of ``onnx`` or ``onnx_ir``; or path
            or content of a program saved by n2uqc, which is returned unchanged.
        options: widths and ranges of the fixed-point parts.
        calibration: images (N, C, H, W) to which the fixed-point formats are fitted; by name where
            there are several inputs.
        input_shape: sizes for dynamic axes of the input, as (C, H, W), or of inputs by name.
        observe: called after each pass; the network may be compiled several times.

    Raises:
        TypeError: the source is something else.
        CompileError: lists everything that is not supported, by node.
        StoreError: a saved program is damaged.

    Warns:
        UserWarning: the network has no activation quantizer, so all of it becomes fixed point.
        PrecisionWarning: outputs or codes lose more than the precision promises
            (``checks.promise``), after widths that the user did not choose were widened.
    """
    require_source(source)
    if is_program(source):
        assert isinstance(source, str | os.PathLike | bytes)
        return load_program(source if isinstance(source, bytes) else Path(source))
    options = options or Options()
    if calibration is not None:
        options = replace(options, calibration=calibration)
    graph = load_graph(source, input_shape=input_shape, integer_heads=options.integer_heads)
    if not any(node.domain == DOMAIN and node.op_type in QUANTIZERS for node in graph.graph):
        warnings.warn(
            f"{label(source)}: no activation quantizer was recognized, so the whole network "
            "becomes fixed point; is it the float network that was exported?",
            stacklevel=2,
        )
    facts = {"model_sha256": digest(source)}
    if input_shape is not None:
        facts[INPUT_SHAPE] = shape_text(input_shape)

    def compiled(chosen: Options) -> Program:
        return compile_graph(graph, chosen, name=stem(source), metadata=facts, observe=observe)

    program, loss = kept_by(graph, options, compiled)
    if loss is not None:
        warnings.warn(f"{label(source)}: {loss}", PrecisionWarning, stacklevel=2)
    return program
