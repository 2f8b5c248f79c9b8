"""The part of `verify` that compares a program with exact arithmetic on given images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .as_exported import NotRun, run_as_exported
from .progress import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

    from n2uqc.frontend.sheet import Sheet
    from n2uqc.frontend.source import Source
    from n2uqc.passes import Options
    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Batch


def measure(
    model: Source,
    graph: ir.Model,
    program: Program,
    options: Options,
    images: Batch,
    progress: Progress,
) -> dict[str, Any] | None:
    """Measure code flips by layer, top-1 agreement and output error, as JSON values; None for a
    program of another network, which ``against_network`` names.

    Args:
        model: the network.
        graph: its canonical graph.
        program: its program with ``options``.
        options: how the images are read (pixels).
        images: images (N, C, H, W) in the form that the program reads, by name where there are
            several inputs.
        progress: what is told of the work.
    """
    from n2uqc.passes.checks.evaluate import agreement, deviation, reference
    from n2uqc.passes.checks.relation import Unrelated
    from n2uqc.passes.program.boundary import in_model_order
    from n2uqc.passes.program.named import by_name

    with progress.working("comparing with exact arithmetic"):
        real = reference(graph, options)
        try:
            result = deviation(real, program, images)
        except Unrelated:
            return None
    report = result.as_json()
    try:
        if options.pixels is not None:
            raise NotRun("the images are raw pixels")
        outputs, by = run_as_exported(model, by_name(program.interface.inputs, images))
        integers, truths = (
            {port.name: in_model_order(port, y[port.name]) for port in real.interface.outputs}
            for y in (result.integer, result.exact)
        )
        if real.host is not None:
            integers, truths = real.host(integers), real.host(truths)
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


def write(sheet: Sheet, report: dict[str, Any]) -> None:
    """Write the report."""
    from n2uqc.frontend.sheet import Column, name_column

    rows, count = report["layers"], report["samples"]
    sheet.line(
        f"exact arithmetic on {count} images: {report['flip_rate']:.2e} of the codes differ, top-1 "
        f"agrees on {report['top1_agreement']}, outputs within "
        f"{report['relative_logit_error']:.1e} of the largest"
    )
    columns = (
        name_column("codes"),
        Column("compared", drop=1),
        Column("flips"),
        Column("undecided", drop=2),
        Column("within the error of a threshold", drop=3),
    )
    keys = ("layer", "codes", "flips", "undecided", "within_error")
    sheet.table(columns, [[row[key] for key in keys] for row in rows])
    first = next((row for row in rows if row["flips"]), None)
    if first is not None and first["reads"]:
        unit = "" if first["unit"] is None else f" in units of {first['unit']:.2g}"
        kind = f"{first['bits']} bits{unit or ' of exact accumulators'}"
        sheet.line(
            f"the first codes to differ are those of {first['layer']}: it compares "
            f"{first['reads']}, {kind}"
        )
    f = report["as_exported"]
    if "not_compared" in f:
        sheet.line(f"the network as exported: not compared, {f['not_compared']}")
    else:
        sheet.line(
            f"the network as exported ({f['computed_by']}): top-1 agrees on {f['top1_agreement']} "
            f"of {count}, outputs within {f['relative_logit_error']:.1e}; it is itself "
            f"{f['own_relative_logit_error']:.1e} from exact arithmetic and agrees with it on "
            f"{f['own_top1_agreement']}"
        )
