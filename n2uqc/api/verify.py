"""``verify``: proof of the tables, comparison of the executors, comparison with the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from n2uqc.backends import Target, find_target
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.sheet import Sheet
from n2uqc.frontend.source import Source, digest, file_name
from n2uqc.passes import Options
from n2uqc.passes.checks.draw import VALUES, affordable, drawn
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.checks.recompile import differences, recompiled
from n2uqc.passes.from_file import is_program
from n2uqc.passes.pipeline import graph_of
from n2uqc.passes.program import Program, quantize_inputs
from n2uqc.passes.program.named import Batch
from n2uqc.passes.program.named import samples as count_of
from n2uqc.passes.program.store import to_bytes

from . import against_network, deviations
from . import executors as running
from .errors import UserError, names_missing_parts
from .hashes import hash_of_arrays, sha256
from .model import Openable, open_model
from .progress import SILENT, Progress
from .result import Result

SAMPLES = 64
_VALUES = 4 * VALUES  # executors keep fewer arrays than the evaluation of a network
_MOST_VALUES = 1 << 30  # of images that a user asks for: 8 GiB
_SHOWN = 10  # most differences that are written


@dataclass(frozen=True, repr=False)
class Certificate(Result):
    """What was proved and compared, of which program, on which images.

    Attributes:
        facts: the certificate as JSON values.
    """

    facts: Mapping[str, Any]

    @property
    def identical(self) -> bool:
        """Whether no difference was found."""
        return bool(self.facts["verdict"] == "identical")

    @property
    def tables(self) -> list[dict[str, Any]] | None:
        """Proofs of the comparison tables; None where no network was at hand."""
        tables: list[dict[str, Any]] | None = self.facts["tables"]
        return tables

    @property
    def executors(self) -> list[dict[str, Any]]:
        """Values, mismatches and seconds of each executor, or why it did not run."""
        rows: list[dict[str, Any]] = self.facts["executors"]
        return rows

    def to_json(self) -> dict[str, Any]:
        return dict(self.facts)

    def summary(self) -> str:
        ran = [row["executor"] for row in self.executors if "not_run" not in row]
        proved = "no table" if self.tables is None else f"{len(self.tables)} tables"
        return f"{self.facts['verdict']}; {proved} proved, run by {', '.join(ran)}"

    def write(self, sheet: Sheet) -> None:
        model, program = self.facts["model"], self.facts["program"]
        given = self.facts["input"]
        file = "" if model["file"] is None else f"{model['file']}  "
        sheet.line(f"model    {file}sha256 {model['sha256']}", 9)
        sheet.line(f"program  {program['operations']} operations  sha256 {program['sha256']}", 9)
        sheet.line(f"input    {given['samples']} samples, {given['source']}", 9)
        sheet.line(f"tables   {_summary(self.tables)}", 9)
        for row in self.tables or ():
            for m in row["mismatches"]:
                sheet.line(
                    f"  {m['table']} channel {m['channel']} at {m['value']}: code "
                    f"{m['table_code']}, the network gives {m['network_code']}",
                    4,
                )
        width = max(12, *(len(row["executor"]) for row in self.executors))
        for row in self.executors:
            result = (
                f"not run: {row['not_run']}"
                if "not_run" in row
                else f"{row['values']} values, {row['mismatches']} mismatches, "
                f"{row['seconds']:.1f} s"
            )
            sheet.line(f"{row['executor']:{width}} {result}", width + 1)
        if "network" in self.facts:
            for line in against_network.render(self.facts["network"]):
                sheet.line(line, 9)
        if "recompiled" in self.facts:
            _write_recompiled(sheet, self.facts["recompiled"])
        if "exact_arithmetic" in self.facts:
            deviations.write(sheet, self.facts["exact_arithmetic"])
        left_out = sum("not_run" in row for row in self.executors)
        without = f", without the {left_out} that did not run" if left_out else ""
        sheet.line(f"verdict  {self.facts['verdict'].upper()}{without}")


def _write_recompiled(sheet: Sheet, comparison: Mapping[str, Any]) -> None:
    if "not_compared" in comparison:
        sheet.line(f"rest     not compared: {comparison['not_compared']}", 9)
        return
    names = comparison["differences"]
    sheet.line(f"rest     {len(names) or 'no'} differences from what the network compiles to", 9)
    for name in names[:_SHOWN] + [f"and {len(names) - _SHOWN} more"] * (len(names) > _SHOWN):
        sheet.line(f"  {name}", 4)


def _summary(tables: Sequence[Mapping[str, Any]] | None) -> str:
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


@names_missing_parts
def verify(
    model: Openable,
    *,
    against: Source | None = None,
    images: Batch | None = None,
    samples: int | None = None,
    seed: int = 0,
    executors: Sequence[str] | None = None,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    source: str | None = None,
    progress: Progress = SILENT,
) -> Certificate:
    """Prove the comparison tables and compare every executor with the interpreter, bit for bit.

    Args:
        model: a network (path, bytes, ``onnx.ModelProto``, ``onnx_ir.Model``), or a program; a
            program has no trained parameters, so its tables are proved only with ``against``.
        against: the network that a program was compiled from.
        images: images as the network takes them, by name where there are several inputs; drawn
            over the whole input range if None.
        samples, seed: number of images to draw, and their seed; if None ``SAMPLES``, fewer of a
            network with large maps.
        executors: names of executors or targets; ``executors.USUAL`` if None. One that cannot run
            on this machine is named in the certificate and not counted.
        options, input_shape: as for ``load``, for networks.
        source: what the certificate says of where the images come from.
        progress: what is told of the work.

    Raises:
        CompileError, StoreError: the model cannot be compiled or read, or an executor is unknown.
        InputError: the images do not fit.
        UserError: a request that contradicts itself.
    """
    targets = chosen_targets(executors)
    if samples is not None and samples < 1:
        raise UserError(f"--samples is {samples:,}; it takes at least 1")
    if seed < 0:
        raise UserError(f"--seed is {seed}; it takes 0 or more")
    opened = open_model(model, options, input_shape)
    program, network = opened.program, opened.network
    if samples is None:
        samples = affordable(program, SAMPLES, _VALUES)
    elif images is None and samples > (most := affordable(program, samples, _MOST_VALUES)):
        raise UserError(f"--samples is {samples:,}; of this network it takes at most {most:,}")
    if against is not None:
        if network is not None or is_program(against):
            raise UserError(
                "--against takes the ONNX model of a saved program: "
                "n2uqc verify net.n2uq --against net.onnx"
            )
        network = against
    if images is None:
        x = drawn(program, samples, seed)
        source = f"drawn over the input range, seed {seed}, corners included"
    else:
        x = quantize_inputs(program, images)
        source = source or f"given (sha256 {hash_of_arrays(images)})"
    facts = _header(program, source, x)
    facts["model"] = {"file": opened.file, "sha256": opened.sha256}
    held = report = tables = None
    if network is not None:
        graph = opened.graph or graph_of(network, program)
        real = opened.options or against_network.stated(program)
        if against is not None:
            facts["model"] = {"file": file_name(against), "sha256": digest(against)}
        if images is not None:
            report = deviations.measure(network, graph, program, real, images, progress)
        held = against_network.check(graph, program, real, images, samples, seed, progress)
        if "unrelated" not in held:  # tables of another network cannot be proved
            tables = prove(graph, program, progress)
    outcomes = running.run_all(program, x, targets=targets, progress=progress)
    rows = _compared(outcomes)
    facts |= {"tables": tables, "executors": rows}
    different = any(row.get("mismatches") for row in (*rows, *(tables or ())))
    if against is not None:
        facts["recompiled"] = found = recompile(graph, program, progress)
        different |= bool(found["differences"])
    if held is not None:
        facts["network"] = held
        different |= bool(held["wrong"])
    if report is not None:
        facts["exact_arithmetic"] = report
    facts["verdict"] = "different" if different else "identical"
    return Certificate(facts)


def chosen_targets(names: Sequence[str] | None) -> tuple[Target, ...] | None:
    """Return the targets of some names; the interpreter, the reference, is always the first.

    Raises:
        CompileError: there is no such target.
    """
    if names is None:
        return None
    targets = {t.name: t for t in map(find_target, (running.USUAL[0], *names))}
    return tuple(targets.values())


def recompile(graph: ir.Model, program: Program, progress: Progress) -> dict[str, Any]:
    """Return how a saved program differs from what its network compiles to, as JSON values."""
    with progress.working("compiling the network anew"):
        try:
            other = recompiled(graph, program)
        except CompileError as error:
            return {"differences": [], "not_compared": str(error)}
        return {"differences": sorted(differences(program, other))}


def prove(graph: ir.Model, program: Program, progress: Progress) -> list[dict[str, Any]]:
    """Prove every comparison table against the network's parameters; return JSON values."""
    total = sum(op.mnemonic == "thresholds" for op in program.ops)
    with progress.counting(total, "proving comparison tables") as advance:
        proofs = prove_tables(graph, program, lambda table: advance(1))
    return [asdict(proof) for proof in proofs]


def _header(program: Program, source: str, x: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    from n2uqc.version import __version__

    return {
        "n2uqc": __version__,
        "model": None,  # its place is here
        "program": {
            "name": program.name,
            "sha256": sha256(to_bytes(program)),
            "operations": len(program.ops),
            "options": dict(program.metadata),
        },
        "input": {"source": source, "samples": count_of(x)},
    }


def _compared(outcomes: Sequence[running.Outcome]) -> list[dict[str, Any]]:
    """Return a row for each executor; the first is what the others are compared with."""
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
    return rows


def _differences(output: NDArray[Any], reference: NDArray[Any]) -> int:
    if output.shape != reference.shape:
        return reference.size
    return int(np.count_nonzero(output != reference))
