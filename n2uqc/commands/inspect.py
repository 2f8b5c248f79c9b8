"""Shows what was recognized in a network: quantizers, layers, real-valued parts with the reasons.

For an ONNX model it prints the quantizers with their thresholds, the layers with their bits, and
how each layer is computed: in integer arithmetic, as part of a comparison table, or in fixed point.
For a saved program it prints the program's text, with hashes of constants.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.console.files import UserError
from n2uqc.console.model import add_input_shape, add_model, is_program
from n2uqc.console.progress import wide_console
from n2uqc.frontend.escape import json_text, plain

if TYPE_CHECKING:
    from n2uqc.passes.program import Interface, Program

HELP = "what was recognized: layers, bits, thresholds, what stays real-valued"
EXAMPLES = """\
examples:
  n2uqc inspect net.onnx
  n2uqc inspect net.onnx --json > net.json       every threshold and scale, exactly
  n2uqc inspect net.n2uq                         the integer program as text
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    add_input_shape(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    if is_program(options.model):
        if options.input_shape is not None:
            raise UserError(f"{plain(options.model)} is a saved program, whose input shape stands")
        _show_program(options.model, options.json)
    else:
        show_model(options.model, as_json=options.json, input_shape=options.input_shape)
    return 0


def show_model(
    path: Path, *, as_json: bool = False, input_shape: tuple[int, ...] | None = None
) -> None:
    """Print what the frontend recognizes in an ONNX file.

    Raises:
        CompileError: lists what is not supported, by node.
    """
    from n2uqc.frontend.load import load_graph
    from n2uqc.frontend.summary import summarize
    from n2uqc.frontend.summary_table import print_summary

    summary = summarize(load_graph(path, input_shape=input_shape))
    if as_json:
        print(json_text(summary.to_dict()), end="")
    else:
        print_summary(summary, wide_console())


def _show_program(path: Path, as_json: bool) -> None:
    from n2uqc.passes.program import accumulators, dump, load

    program = load(path)
    if as_json:
        print(json_text(_facts(program)), end="")
    else:
        print(dump(program, inline=False), end="")
        for name, a in accumulators(program).items():
            steps = f"{a.steps} fit 16 bits between drains" if a.steps else "wider than 16 bits"
            sign = "s" if a.signed else "u"
            print(f"# accumulator of {name}: {sign}{a.bits}, {a.taps} products, {steps}")
        for name, levels in _levels(program).items():
            print(f"# levels of {name}: {' '.join(map(str, levels))}")


def _levels(program: Program) -> dict[str, list[int]]:
    """Integers of uneven levels: of codes by a table, and of weights, those of all channels."""
    from n2uqc.passes.program.ops import Conv, Lookup

    levels = {}
    for op in program.ops:
        if isinstance(op, Lookup):
            levels[op.output] = program.constants[op.table].values.tolist()
        elif isinstance(op, Conv) and op.levels:
            levels[op.weight] = sorted(set(program.constants[op.weight].values.ravel().tolist()))
    return levels


def _ends(face: Interface) -> dict[str, Any]:
    """Names and shapes of inputs and outputs; where there is one of a kind, that one too."""
    facts: dict[str, Any] = {}
    for what, ports in (("input", face.inputs), ("output", face.outputs)):
        told = [{"name": port.name, "shape": port.shape} for port in ports]
        if len(told) == 1:
            facts[what] = told[0]
        facts[f"{what}s"] = told
    return facts


def _facts(program: Program) -> dict[str, Any]:
    from n2uqc.passes.program import accumulators

    return {
        "name": program.name,
        **_ends(program.interface),
        "metadata": dict(program.metadata),
        "notes": list(program.notes),
        "operations": [
            {
                "output": op.output,
                "op": op.mnemonic,
                "inputs": op.inputs,
                "from": op.origin,
                "type": str(program.types[op.output]),
            }
            for op in program.ops
        ],
        "constants": {
            name: {"type": c.stored_as, "shape": c.values.shape, "bits": c.storage_bits}
            for name, c in program.constants.items()
        },
        "levels": _levels(program),
        "accumulators": {name: asdict(a) for name, a in accumulators(program).items()},
        "workspace_bytes": None if program.plan is None else program.plan.size,
    }
