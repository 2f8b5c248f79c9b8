"""Every operation of the Program is known wherever it has to be; what lacks it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import n2uqc.passes.program
from n2uqc.backends.cost.counting import count_layers
from n2uqc.backends.cpu.choose import TABLE
from n2uqc.backends.fpga.engines import ENGINES, engine_of
from n2uqc.backends.fpga.hdl.families import FAMILIES
from n2uqc.backends.fpga.resources import resources
from n2uqc.backends.fpga.units import BUILDERS
from n2uqc.passes.program import Op, dump, operation, ops, parse, run

from ..properties import program_builder, programs
from ..properties.programs import one_of_each

SPEC = Path(ops.__file__).parents[1] / "SPEC.md"

OPERATIONS = sorted(
    (
        each
        for each in vars(ops).values()
        if isinstance(each, type) and issubclass(each, Op) and each is not Op and not each.real
    ),
    key=lambda each: each.mnemonic,
)


PROGRAM = one_of_each()


def engines() -> dict[type[Op], set[str]]:
    """Kinds of engines by operation, of the small program."""
    kinds: dict[type[Op], set[str]] = {}
    for op in PROGRAM.ops:
        if type(op) in ENGINES:
            kinds.setdefault(type(op), set()).add(engine_of(op, PROGRAM).kind)
    return kinds


def is_counted(operation: type[Op]) -> bool:
    return {*engines().get(operation, {""})} <= {*BUILDERS} and all(
        resources(engine, form, family).total.lut >= 0
        for op in PROGRAM.ops
        if type(op) is operation
        for engine in [engine_of(op, PROGRAM)]
        for form in engine.forms
        for family in FAMILIES
    )


STREAM = {ops.Flatten}
"""What is no hardware: a stream in the order of memory does it by itself."""

PLACES: dict[str, Callable[[type[Op]], bool]] = {
    "exported by passes.program": lambda o: o.__name__ in n2uqc.passes.program.__all__,
    "defined in SPEC.md": lambda o: f"| `{o.mnemonic}(" in SPEC.read_text(encoding="utf-8"),
    "executed by the interpreter": lambda o: o.execute is not Op.execute,
    "drawn by the random programs": lambda o: (
        o in (*vars(program_builder).values(), *vars(programs).values())
    ),
    "tried here": lambda o: any(type(op) is o for op in PROGRAM.ops),
    "a kernel for processors": lambda o: bool(TABLE.get(o)),
    "an engine of the datapath": lambda o: o in STREAM or o in ENGINES,
    "hardware (RTL) for its engine": lambda o: (
        o in STREAM or engines().get(o, {""}) <= set(BUILDERS)
    ),
    "cells of its engine, counted": lambda o: o in STREAM or is_counted(o),
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.mnemonic)
def test_nothing_lacks_an_operation(operation: type[Op]) -> None:
    missing = [place for place, knows in PLACES.items() if not knows(operation)]
    assert not missing, f"{operation.mnemonic} has no place in: {', '.join(missing)}"


def test_text_storage_and_counts_take_every_operation() -> None:
    again = parse(dump(PROGRAM))
    x = np.random.default_rng(0).integers(0, 8, (2, *PROGRAM.types[PROGRAM.input].shape))
    np.testing.assert_array_equal(run(again, x), run(PROGRAM, x))
    counted = {
        part.name
        for layer in count_layers(PROGRAM)
        for part in (layer.mac, *layer.quantizers, *layer.others)
        if part is not None
    }
    assert {op.output for op in PROGRAM.ops if type(op) not in STREAM} <= counted


def test_the_list_would_notice_an_operation_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operation, "OPS", {})  # it enters itself

    class Unheard(Op):
        mnemonic = "unheard"

    assert {place for place, knows in PLACES.items() if not knows(Unheard)} >= {
        "defined in SPEC.md",
        "a kernel for processors",
        "an engine of the datapath",
        "drawn by the random programs",
    }
