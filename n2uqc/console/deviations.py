"""The part of `verify` that measures a program against exact arithmetic on given images."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import working

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from n2uqc.passes import Options
    from n2uqc.passes.program import Program


def measure(
    model: Path, program: Program, options: Options, images: NDArray[Any]
) -> dict[str, Any]:
    """Code flips by layer, top-1 agreement and output error, as JSON values.

    Args:
        model: the ONNX file.
        program: its program under ``options``.
        options: how the images are to be read (pixels).
        images: (N, C, H, W) as the program takes them.
    """
    from n2uqc.passes.checks.evaluate import agreement, deviation, reference
    from n2uqc.passes.pipeline import graph_of

    with working("comparing with exact arithmetic"):
        found = deviation(reference(graph_of(model, program), options), program, images)
    report = found.as_json()
    outputs = None if options.pixels is not None else _float32(model, images)
    if outputs is not None:
        flat = (len(images), -1)
        top1, error = agreement(found.integer.reshape(flat), outputs.reshape(flat))
        own, own_error = agreement(outputs.reshape(flat), found.exact.reshape(flat))
        report["float32"] = {
            "top1_agreement": top1,
            "relative_logit_error": error,
            "own_top1_agreement": own,
            "own_relative_logit_error": own_error,
        }
    return report


def _float32(model: Path, images: NDArray[Any]) -> NDArray[np.floating[Any]] | None:
    """ONNX Runtime's outputs on the file as it is, None where it is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    batch = session.get_inputs()[0].shape[0]
    size = batch if isinstance(batch, int) else 32
    if len(images) % size and isinstance(batch, int):
        return None  # a static batch that the images do not fill
    import numpy as np

    pieces = [
        session.run(None, {name: images[k : k + size].astype(np.float32)})[0]
        for k in range(0, len(images), size)
    ]
    outputs: NDArray[np.floating[Any]] = np.concatenate(pieces)
    return outputs


def render(report: dict[str, Any]) -> str:
    """The report for reading."""
    rows = report["layers"]
    width = max([len(row["layer"]) for row in rows] + [5])
    count = report["samples"]
    lines = [
        f"exact arithmetic on {count} images: {report['flip_rate']:.2e} of the codes differ, top-1 "
        f"agrees on {report['top1_agreement']}, outputs within "
        f"{report['relative_logit_error']:.1e} of the largest",
        f"  {'codes':{width}}     compared   flips  undecided  within the error of a threshold",
    ]
    lines += [
        f"  {r['layer']:{width}}  {r['codes']:11,}  {r['flips']:6,}  {r['undecided']:9,}  "
        f"{r['within_error']:9,}"
        for r in rows
    ]
    first = next((row for row in rows if row["flips"]), None)
    if first is not None and first["reads"]:
        unit = "" if first["unit"] is None else f" in units of {first['unit']:.2g}"
        kind = f"{first['bits']} bits{unit or ' of exact accumulators'}"
        lines.append(
            f"the first codes to differ are those of {first['layer']}: it compares "
            f"{first['reads']}, {kind}"
        )
    if "float32" in report:
        f = report["float32"]
        lines.append(
            f"float32 (ONNX Runtime): top-1 agrees on {f['top1_agreement']} of {count}, outputs "
            f"within {f['relative_logit_error']:.1e}; float32 itself is "
            f"{f['own_relative_logit_error']:.1e} from exact arithmetic and agrees with it on "
            f"{f['own_top1_agreement']}"
        )
    else:
        lines.append(
            "float32: not compared (ONNX Runtime is not installed, the images are raw "
            "pixels, or they do not fill the model's static batch)"
        )
    return "\n".join(lines) + "\n"
