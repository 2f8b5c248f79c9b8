"""Proves the comparison tables and compares every executor with the interpreter, bit for bit.

The proof evaluates the parameters of the trained network in exact arithmetic for every integer that
can reach a table, channel by channel. It needs the ONNX model, because a saved program has no
trained parameters. With --against NETWORK the tables of a saved program are proved; everything else
in it is then compared with the program that the network compiles to, with the options that the
saved program states.

The certificate states the SHA-256 of the model and the program, how many values were compared, and
each difference. The exit status is 1 if there is any difference. Without --input, images are drawn
over the program's whole input range: corners, constants, checkerboards, ramps, points, noise.

If the ONNX model is given, the network itself is evaluated too, in float64 and independently of the
compiler's passes, on drawn images and on those of --input. Every code must equal the network's
code, unless a threshold is within the proven error of the compared value, and every output must be
within the error that its type states; any other value is a difference. With --input the certificate
also reports, by layer, how many activation codes differ from exact arithmetic on these images, and
how far the outputs are from exact arithmetic and from float32.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.console import against_network, deviations
from n2uqc.console.batches import read_batch
from n2uqc.console.files import UserError, require_writable, sha256, write_bytes
from n2uqc.console.model import add_model, add_precision, is_program, open_program
from n2uqc.console.progress import progress
from n2uqc.frontend.escape import json_text, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.backends import Target
    from n2uqc.console.executors import Outcome
    from n2uqc.passes.program import Program

_SHOWN = 10  # most differences that are printed
HELP = "prove the tables, run every executor, print a certificate"
EXAMPLES = """\
examples:
  n2uqc verify net.onnx
  n2uqc verify net.onnx --input x.npy --output certificate.json
  n2uqc verify net.n2uq --executors host,datapath --samples 500
  n2uqc verify net.n2uq --against net.onnx
  n2uqc verify net.onnx --target armv7,cortex-m4,aarch64+dotprod
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    parser.add_argument(
        "--input",
        "-i",
        metavar="X",
        type=Path,
        help="preprocessed images (N, C, H, W), .npy, or .npz with an array named as each input; "
        "drawn if not given",
    )
    parser.add_argument(
        "--samples", type=int, metavar="N", default=64, help="images to draw without --input (64)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the drawn images (0)")
    parser.add_argument(
        "--executors",
        "--target",
        metavar="LIST",
        help="which to compare: interpreter, host, datapath, targets of `n2uqc compile` such as "
        "cortex-m4 (interpreter, host, aarch64 and datapath)",
    )
    parser.add_argument(
        "--against",
        metavar="NET.onnx",
        type=Path,
        help="the network a saved program was compiled from: proves it to be that network's",
    )
    parser.add_argument("--json", action="store_true", help="print the certificate as JSON")
    parser.add_argument(
        "--output", "-o", metavar="F.json", type=Path, help="also write the certificate as JSON"
    )
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.console.executors import run_all
    from n2uqc.passes.checks.draw import drawn
    from n2uqc.passes.program import quantize_inputs
    from n2uqc.passes.program.named import samples

    chosen = _chosen(options.executors)
    if options.output is not None:
        require_writable(options.output)
    if options.samples < 1:
        raise UserError(f"--samples is {options.samples}; it takes at least 1")
    program, model = open_program(options), options.model
    if options.against is not None:
        if not is_program(model) or is_program(options.against):
            raise UserError(
                "--against takes the ONNX model of a saved program: "
                "n2uqc verify net.n2uq --against net.onnx"
            )
        model = options.against
    report = images = real = None
    if not is_program(model):  # MODEL is the network
        real = getattr(options, "resolved", None) or against_network.stated(program)
    if options.input is not None:
        images = read_batch(options.input, program.interface.inputs)
        x = quantize_inputs(program, images)
        if real is not None:
            report = deviations.measure(model, program, real, images)
        source = f"{plain(options.input)} (sha256 {sha256(options.input.read_bytes())})"
    else:
        x = drawn(program, options.samples, options.seed)
        source = f"drawn over the input range, seed {options.seed}, corners included"
    held = None
    if real is not None:
        held = against_network.check(model, program, real, images, options.samples, options.seed)
    # Tables of a program of another network cannot be proved.
    tables = None if held is None or "unrelated" in held else prove(model, program)
    outcomes = run_all(program, x, targets=chosen)
    certificate = certify(model, program, source, samples(x), outcomes, tables)
    if options.against is not None:
        certificate["recompiled"] = differences = recompile(model, program)
        if differences["differences"]:
            certificate["verdict"] = "different"
    if held is not None:
        certificate["network"] = held
        if held["wrong"]:
            certificate["verdict"] = "different"
    if report is not None:
        certificate["exact_arithmetic"] = report
    text = json_text(certificate)
    if options.output is not None:
        write_bytes(options.output, text.encode())
    print(text if options.json else render(certificate), end="")
    return 0 if certificate["verdict"] == "identical" else 1


def _chosen(text: str | None) -> tuple[Target, ...] | None:
    """Return the targets of a list of names; the interpreter, the reference,
    is always the first.
    """
    if text is None:
        return None
    from n2uqc.backends import find_target
    from n2uqc.console.executors import USUAL

    targets = {target.name: target for target in map(find_target, (USUAL[0], *text.split(",")))}
    return tuple(targets.values())


def recompile(model: Path, program: Program) -> dict[str, Any]:
    """Return how a saved program differs from what its network compiles to, as JSON values."""
    from n2uqc.console.progress import working
    from n2uqc.frontend.diagnostics import CompileError
    from n2uqc.passes.checks.recompile import differences, recompiled
    from n2uqc.passes.pipeline import graph_of

    with working("compiling the network anew"):
        try:
            other = recompiled(graph_of(model, program), program)
        except CompileError as error:
            return {"differences": [], "not_compared": str(error)}
        return {"differences": sorted(differences(program, other))}


def prove(model: Path, program: Program) -> list[dict[str, Any]]:
    """Prove every comparison table against the ONNX file's parameters, with progress."""
    from n2uqc.passes.checks.prove import prove_tables
    from n2uqc.passes.pipeline import graph_of

    total = sum(op.mnemonic == "thresholds" for op in program.ops)
    with progress(total, "proving comparison tables") as advance:
        proofs = prove_tables(graph_of(model, program), program, lambda table: advance(1))
    return [asdict(proof) for proof in proofs]


def certify(
    model: Path,
    program: Program,
    source: str,
    samples: int,
    outcomes: list[Outcome],
    tables: list[dict[str, Any]] | None,
) -> dict[str, Any]:
    """Return the certificate, as JSON values.

    Args:
        model, program: path of the model, and its program.
        source, samples: description and number of the input images.
        outcomes: results of the executors, the interpreter first.
        tables: proofs of the comparison tables; None without an ONNX model.
    """
    from n2uqc import __version__
    from n2uqc.passes.program.store import to_bytes

    reference = outcomes[0].output
    assert reference is not None  # arrays by name, as the inputs are
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        row: dict[str, Any] = {"executor": outcome.target.executor}
        if outcome.output is None:
            row["not_run"] = outcome.missing
        else:
            row |= {
                "values": sum(y.size for y in reference.values()),
                "mismatches": sum(
                    _differences(outcome.output[name], y) for name, y in reference.items()
                ),
                "seconds": round(outcome.seconds, 3),
            }
        rows.append(row)
    different = any(row.get("mismatches") for row in (*rows, *(tables or ())))
    return {
        "n2uqc": __version__,
        "model": {"file": model.name, "sha256": sha256(model.read_bytes())},
        "program": {
            "name": program.name,
            "sha256": sha256(to_bytes(program)),
            "operations": len(program.ops),
            "options": dict(program.metadata),
        },
        "input": {"source": source, "samples": samples},
        "tables": tables,
        "executors": rows,
        "verdict": "different" if different else "identical",
    }


def _differences(output: NDArray[Any], reference: NDArray[Any]) -> int:
    if output.shape != reference.shape:
        return reference.size
    return int((output != reference).sum())


def render(certificate: dict[str, Any]) -> str:
    """Return the certificate as text."""
    lines = [
        f"model    {certificate['model']['file']}  sha256 {certificate['model']['sha256']}",
        f"program  {certificate['program']['operations']} operations  "
        f"sha256 {certificate['program']['sha256']}",
        f"input    {certificate['input']['samples']} samples, {certificate['input']['source']}",
    ]
    lines.append(f"tables   {_summary(certificate['tables'])}")
    for row in certificate["tables"] or ():
        lines += [
            f"  {m['table']} channel {m['channel']} at {m['value']}: code {m['table_code']}, the "
            f"network gives {m['network_code']}"
            for m in row["mismatches"]
        ]
    width = max(12, *(len(row["executor"]) for row in certificate["executors"]))
    for row in certificate["executors"]:
        result = (
            f"not run: {row['not_run']}"
            if "not_run" in row
            else f"{row['values']} values, {row['mismatches']} mismatches, {row['seconds']:.1f} s"
        )
        lines.append(f"{row['executor']:{width}} {result}")
    if "network" in certificate:
        lines += against_network.render(certificate["network"])
    if "recompiled" in certificate:
        lines += _recompiled(certificate["recompiled"])
    text = "\n".join(lines) + "\n"
    if "exact_arithmetic" in certificate:
        text += deviations.render(certificate["exact_arithmetic"])
    left_out = sum("not_run" in row for row in certificate["executors"])
    without = f", without the {left_out} that did not run" if left_out else ""
    return text + f"verdict  {certificate['verdict'].upper()}{without}\n"


def _recompiled(comparison: dict[str, Any]) -> list[str]:
    if "not_compared" in comparison:
        return [f"rest     not compared: {comparison['not_compared']}"]
    names = comparison["differences"]
    shown = names[:_SHOWN] + [f"and {len(names) - _SHOWN} more"] * (len(names) > _SHOWN)
    return [
        f"rest     {len(names) or 'no'} differences from what the network compiles to",
        *(f"  {name}" for name in shown),
    ]


def _summary(tables: list[dict[str, Any]] | None) -> str:
    if tables is None:
        return (
            "not proved: a saved program holds no trained parameters; name its network by --against"
        )
    channels, values, exact = (
        sum(table[key] for table in tables) for key in ("channels", "values", "exact")
    )
    wrong = sum(len(t["mismatches"]) for t in tables)
    return (
        f"{len(tables)} tables, {channels} channels, {values:,} reachable integers proved, "
        f"{exact:,} of the comparisons in exact arithmetic, {wrong} mismatches"
    )
