"""``load``: from a file to an integer program."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from n2uqc.frontend import escape
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.schemas import DOMAIN

from .checks.promise import PrecisionWarning, kept_by
from .options import Options
from .pass_manager import Observer
from .pipeline import INPUT_SHAPE, compile_graph
from .program import Program
from .program.named import Batch
from .program.store import is_program_file
from .program.store import load as load_program


def load(
    path: str | Path,
    options: Options | None = None,
    *,
    calibration: Batch | None = None,
    input_shape: Sequence[int] | None = None,
    observe: Observer | None = None,
) -> Program:
    """Read a trained network and compile it to its integer program.

    Args:
        path: an ONNX file, or a program saved by n2uqc, which is returned unchanged.
        options: widths and ranges of the fixed-point parts.
        calibration: images (N, C, H, W) to which the fixed-point formats are fitted; by name where
            there are several inputs.
        input_shape: sizes for dynamic axes of the input, as (C, H, W).
        observe: called after each pass; the network may be compiled several times.

    Raises:
        CompileError: lists everything that is not supported, by node.
        StoreError: a saved program is damaged.

    Warns:
        UserWarning: the network has no activation quantizer, so all of it becomes fixed point.
        PrecisionWarning: outputs or codes lose more than the precision promises
            (``checks.promise``), after widths that the user did not choose were widened.
    """
    path = Path(path)
    if is_program_file(path):
        return load_program(path)
    options = options or Options()
    if calibration is not None:
        options = replace(options, calibration=calibration)
    graph = load_graph(path, input_shape=input_shape)
    if not any(node.domain == DOMAIN and node.op_type != "Weight" for node in graph.graph):
        warnings.warn(
            f"{escape.plain(path)}: no activation quantizer was recognized, so the whole network "
            "becomes fixed point; is it the float network that was exported?",
            stacklevel=2,
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    facts = {"model_sha256": digest}
    if input_shape is not None:
        facts[INPUT_SHAPE] = ",".join(map(str, input_shape))

    def compiled(chosen: Options) -> Program:
        return compile_graph(graph, chosen, name=path.stem, metadata=facts, observe=observe)

    program, loss = kept_by(graph, options, compiled)
    if loss is not None:
        warnings.warn(f"{escape.plain(path)}: {loss}", PrecisionWarning, stacklevel=2)
    return program
