"""The part of `verify` that compares a program with exact arithmetic on given images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .as_exported import NotRun, run_as_exported
from .progress import working

if TYPE_CHECKING:
    from n2uqc.passes import Options
    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Batch


def measure(model: Path, program: Program, options: Options, images: Batch) -> dict[str, Any]:
    """Measure code flips by layer, top-1 agreement and output error, as JSON values.

    Args:
        model: the ONNX file.
        program: its program with ``options``.
        options: how the images are read (pixels).
        images: images (N, C, H, W) in the form that the program reads, by name where there are
            several inputs.
    """
    from n2uqc.passes.checks.evaluate import agreement, deviation, reference
    from n2uqc.passes.pipeline import graph_of
    from n2uqc.passes.program.boundary import in_model_order
    from n2uqc.passes.program.named import by_name

    with working("comparing with exact arithmetic"):
        result = deviation(reference(graph_of(model, program), options), program, images)
    report = result.as_json()
    try:
        if options.pixels is not None:
            raise NotRun("the images are raw pixels")
        outputs, by = run_as_exported(model, by_name(program.interface.inputs, images))
        integers, truths = (
            {port.name: in_model_order(port, y[port.name]) for port in program.interface.outputs}
            for y in (result.integer, result.exact)
        )
        if program.host is not None:
            integers, truths = program.host(integers), program.host(truths)
        for name, found in integers.items():
            if name not in outputs or outputs[name].size != found.size:
                shapes = {n: y.shape for n, y in outputs.items()}
                raise NotRun(f"it gives outputs of shapes {shapes} ({by})")
    except NotRun as reason:
        report["as_exported"] = {"not_compared": str(reason)}
        return report
    outputs = {name: outputs[name] for name in integers}
    top1, error = agreement(integers, outputs)
    own, own_error = agreement(outputs, truths)
    report["as_exported"] = {
        "computed_by": by,
        "top1_agreement": top1,
        "relative_logit_error": error,
        "own_top1_agreement": own,
        "own_relative_logit_error": own_error,
    }
    return report


def render(report: dict[str, Any]) -> str:
    """Return the report as text."""
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
    f = report["as_exported"]
    if "not_compared" in f:
        lines.append(f"the network as exported: not compared, {f['not_compared']}")
    else:
        lines.append(
            f"the network as exported ({f['computed_by']}): top-1 agrees on {f['top1_agreement']} "
            f"of {count}, outputs within {f['relative_logit_error']:.1e}; it is itself "
            f"{f['own_relative_logit_error']:.1e} from exact arithmetic and agrees with it on "
            f"{f['own_top1_agreement']}"
        )
    return "\n".join(lines) + "\n"
