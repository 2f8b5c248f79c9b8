"""``inspect``: what was recognized in a network, and what a program holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.sheet import Column, Picture, Sheet, name_column
from n2uqc.frontend.source import Source, label, stem
from n2uqc.frontend.summary import FIXED, LayerSummary, Note, Quantizer, Summary, summarize
from n2uqc.passes import load
from n2uqc.passes.from_file import is_program
from n2uqc.passes.program import Accumulator, Interface, Program, accumulators, dump
from n2uqc.passes.program.ops import Conv, Lookup

from .drawings import staircase
from .errors import UserError, names_missing_parts
from .result import Result

_THRESHOLDS = 7  # thresholds shown: all of a 3-bit quantizer


@dataclass(frozen=True, repr=False)
class Inspection(Result):
    """What was recognized in a network; INSPECT.md describes its JSON values.

    Attributes:
        name: of the network's file, without the ending.
        found: quantizers, layers and notes.
    """

    name: str
    found: Summary

    @property
    def inputs(self) -> dict[str, list[int | str]]:
        """Shapes of the inputs by name, the batch first."""
        return self.found.inputs

    @property
    def outputs(self) -> dict[str, list[int | str]]:
        """Shapes of the outputs by name, the batch first."""
        return self.found.outputs

    @property
    def quantizers(self) -> list[Quantizer]:
        """Quantizers of activations with their thresholds, in order of execution."""
        return self.found.quantizers

    @property
    def layers(self) -> list[LayerSummary]:
        """Nodes that compute, with their bits and what becomes of them, in order of execution."""
        return self.found.layers

    @property
    def notes(self) -> list[Note]:
        """What a user should know about single nodes."""
        return self.found.notes

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        return self.found.to_dict()

    def summary(self) -> str:
        quantized = sum(layer.weight_bits is not None for layer in self.layers)
        return (
            f"{self.name}, {len(self.quantizers)} quantizers, {quantized} layers of quantized "
            f"weights, {self.macs / 1e6:,.1f} M multiply-accumulates"
        )

    def write(self, sheet: Sheet) -> None:
        ends = [
            f"{what} {name} {_sizes(shape)}"
            for what, shapes in (("input", self.inputs), ("output", self.outputs))
            for name, shape in shapes.items()
        ]
        sheet.line(", ".join(ends))
        if self.quantizers:
            _write_quantizers(sheet, self.quantizers)
        else:
            sheet.line("no activation quantizer was recognized")
        _write_layers(sheet, [layer for layer in self.layers if layer.weights])
        real = sum(layer.macs for layer in self.layers if layer.becomes == FIXED)
        share = f", {real / self.macs:.1%} of them in fixed point" if self.macs else ""
        sheet.line(f"{self.macs / 1e6:,.1f} M multiply-accumulates per image{share}")
        for (becomes, why), ops in _others(self.layers).items():
            counted = ", ".join(f"{count} {op}" for op, count in sorted(ops.items()))
            sheet.line(f"{becomes}: {counted} ({why})")
        for note in self.notes:
            sheet.line(f"note: {note.node}: {note.text}")


def _write_quantizers(sheet: Sheet, quantizers: Sequence[Quantizer]) -> None:
    columns = (
        name_column("quantizer"),
        Column("kind", left=True, drop=1),
        Column("bits"),
        Column("input scale", drop=2),
        Column("rule", left=True, drop=3),
        Column("thresholds", left=True, least=24, end=True),
        Column("step", left=True, least=12, end=True),
    )
    rows = []
    for q in quantizers:
        text = _numbers(q.thresholds[0])
        if len(q.thresholds) > 1:
            text = f"{len(q.thresholds)} channels: {text}; …"
        step = f"{q.step:.5g}" if q.step is not None else f"levels {_numbers(q.levels)}"
        drawn = Picture(text, staircase(q.thresholds[0], q.levels))
        rows.append((q.name, q.kind, q.bits, f"{q.input_scale:.5g}", q.rule, drawn, step))
    sheet.table(columns, rows, "quantizers of activations")


def _write_layers(sheet: Sheet, layers: Sequence[LayerSummary]) -> None:
    columns = (
        name_column("layer"),
        Column("input", left=True, drop=4),
        Column("output", left=True, drop=1),
        Column("kernel", left=True, drop=3),
        Column("weights", left=True, least=7, end=True),
        Column("input bits", drop=2),
        Column("M MACs", drop=5),
        Column("becomes", left=True, least=12, end=True),
    )
    rows = []
    for layer in layers:
        bits = f"{layer.weight_bits} bit" if layer.weight_bits else "float"
        if layer.weight_levels:
            bits += f", levels {_numbers(layer.weight_levels[0])}"
            bits += f"; … of {len(layer.weight_levels)} channels" * (len(layer.weight_levels) > 1)
        window = _sizes(layer.kernel)
        if layer.strides and max(layer.strides) > 1:
            window += f" /{layer.strides[0]}"
        if layer.groups > 1:
            window += f" g{layer.groups}"
        rows.append(
            (
                layer.name,
                _sizes(layer.input_shape),
                _sizes(layer.output_shape),
                window,
                bits,
                str(layer.activation_bits or "real"),
                f"{layer.macs / 1e6:.2f}",
                layer.becomes if layer.becomes != FIXED else f"{FIXED}: {layer.why}",
            )
        )
    sheet.table(columns, rows, "layers with weights")


def _numbers(numbers: Sequence[float]) -> str:
    text = " ".join(f"{t:.4g}" for t in numbers[:_THRESHOLDS])
    return text if len(numbers) <= _THRESHOLDS else f"{text} … {numbers[-1]:.4g}"


def _sizes(shape: Sequence[int | str]) -> str:
    return "×".join(map(str, shape))


def _others(layers: Sequence[LayerSummary]) -> dict[tuple[str, str], Counter[str]]:
    """Count layers without weights by how they will be computed, and why."""
    groups: dict[tuple[str, str], Counter[str]] = {}
    for layer in layers:
        if not layer.weights:
            groups.setdefault((layer.becomes, layer.why), Counter())[layer.op] += 1
    return groups


@dataclass(frozen=True, repr=False)
class ProgramInspection(Result):
    """What an integer program holds.

    Attributes:
        program: the program.
    """

    program: Program

    @property
    def accumulators(self) -> dict[str, Accumulator]:
        """Widths of the sums of each convolution, by its output."""
        return accumulators(self.program)

    @property
    def levels(self) -> dict[str, list[int]]:
        """Integers of uneven levels: of codes by a table, and of weights, those of all channels."""
        levels = {}
        for op in self.program.ops:
            if isinstance(op, Lookup):
                levels[op.output] = self.program.constants[op.table].values.tolist()
            elif isinstance(op, Conv) and op.levels:
                values = self.program.constants[op.weight].values
                levels[op.weight] = sorted(set(values.ravel().tolist()))
        return levels

    def to_json(self) -> dict[str, Any]:
        program = self.program
        return {
            "name": program.name,
            **_ends(program.interface),
            "metadata": dict(program.metadata),
            "notes": list(program.notes),
            "operations": [
                {
                    "output": op.output,
                    "op": op.mnemonic,
                    "inputs": list(op.inputs),
                    "from": list(op.origin),
                    "type": str(program.types[op.output]),
                }
                for op in program.ops
            ],
            "constants": {
                name: {"type": c.stored_as, "shape": list(c.values.shape), "bits": c.storage_bits}
                for name, c in program.constants.items()
            },
            "levels": self.levels,
            "accumulators": {name: asdict(a) for name, a in self.accumulators.items()},
            "workspace_bytes": None if program.plan is None else program.plan.size,
        }

    def summary(self) -> str:
        return f"{self.program.name}, {len(self.program.ops)} operations"

    def write(self, sheet: Sheet) -> None:
        sheet.block(dump(self.program, inline=False))
        for name, a in self.accumulators.items():
            steps = f"{a.steps} fit 16 bits between drains" if a.steps else "wider than 16 bits"
            sign = "s" if a.signed else "u"
            sheet.block(f"# accumulator of {name}: {sign}{a.bits}, {a.taps} products, {steps}")
        for name, levels in self.levels.items():
            sheet.block(f"# levels of {name}: {' '.join(map(str, levels))}")


def _ends(face: Interface) -> dict[str, Any]:
    """Names and shapes of inputs and outputs; where there is one of a kind, that one too."""
    facts: dict[str, Any] = {}
    for what, ports in (("input", face.inputs), ("output", face.outputs)):
        told = [{"name": port.name, "shape": list(port.shape)} for port in ports]
        if len(told) == 1:
            facts[what] = told[0]
        facts[f"{what}s"] = told
    return facts


@overload
def inspect(model: Program) -> ProgramInspection: ...
@overload
def inspect(
    model: Source, *, input_shape: InputShape | None = None
) -> Inspection | ProgramInspection: ...
@names_missing_parts
def inspect(
    model: Program | Source, *, input_shape: InputShape | None = None
) -> Inspection | ProgramInspection:
    """Show what is recognized in a network, or what a program holds.

    Args:
        model: a network or saved program (path, bytes, ``onnx.ModelProto``, ``onnx_ir.Model``), or
            a program.
        input_shape: sizes for dynamic axes of a network's input, as (C, H, W), or of inputs by
            name.

    Raises:
        CompileError: lists what is not supported, by node.
        StoreError: a saved program is damaged.
        UserError: a shape for a program, which has its own.
    """
    if isinstance(model, Program) or is_program(model):
        if input_shape is not None:
            raise UserError(f"{_called(model)} is a saved program, whose input shape stands")
        return ProgramInspection(model if isinstance(model, Program) else load(model))
    return Inspection(stem(model), summarize(load_graph(model, input_shape=input_shape)))


def _called(model: Program | Source) -> str:
    return model.name if isinstance(model, Program) else label(model)
