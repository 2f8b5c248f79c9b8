"""Tensors as codes times a step plus an offset: the codes are moved as the values are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from n2uqc.passes import Options
from n2uqc.passes.exact.code_forms import CodeForms
from n2uqc.passes.program import Constant, ConstRef, Interface, IntType, Op, Program
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import (
    Affine,
    RealConcat,
    RealFlatten,
    RealMaxPool,
    RealRearrange,
)

SCALE = Fraction(1, 4)
CONSTS = {
    "all": Constant.narrow([0, 1]),
    "wide": Constant.narrow([0, 1, -1]),
}


def affine(output: str, x: str, slope: Fraction | Surd | int, *offset: Fraction | int) -> Affine:
    slopes = (Surd.of(slope),) * len(offset)
    offsets = tuple(Surd.of(Fraction(v)) for v in offset)
    return Affine(output=output, inputs=(x,), slope=slopes, offset=offsets)


def moved(last: str, x: str) -> tuple[Op, ...]:
    """Each movement of a tensor."""
    tables = {name: ConstRef("all") for name in ("rows", "columns", "channels")}
    return {
        "pool": (RealMaxPool(output="y", inputs=(x,), kernel=(2, 2)),),
        "flat": (RealFlatten(output="y", inputs=(x,), channels_last=True),),
        "ONNX": (RealFlatten(output="y", inputs=(x,)),),
        "rearranged": (RealRearrange(output="y", inputs=(x,), **tables),),
        "padded": (RealRearrange(output="y", inputs=(x,), **{**tables, "rows": ConstRef("wide")}),),
        "joined": (RealConcat(output="y", inputs=(x, x)),),
        "": (),
    }[last]


def program(channels: int, *ops: Op) -> Program:
    types = {"x": IntType((2, 2, channels), 3, False, 0, 7, SCALE)}
    for op in ops:
        types[op.output] = op.infer(types, CONSTS)
    face = Interface.single("x", (channels, 2, 2), "y", (1, 1, 1))
    return Program("p", face, ("x",), ("y",), types, ops, dict(CONSTS))


def forms(made: Program) -> CodeForms:
    """The forms of a program whose real operations all stay."""
    work = CodeForms(made, Options())
    work.types |= made.types
    return work


def check(made: Program, name: str) -> None:
    """The form, by the integer operations that were emitted, has the values of the network."""
    work = forms(made)
    form = work.form(name)
    assert form is not None and form.levels is None
    x = np.random.default_rng(0).integers(0, 8, (20, *made.types["x"].shape))
    real = {"x": x * float(SCALE)}
    for op in made.ops:
        real[op.output] = op.execute([real[i] for i in op.inputs], made.constants)
    codes = {"x": x}
    for op in work.ops:
        codes[op.output] = op.execute([codes[i] for i in op.inputs], work.pool.all)
    got = codes[form.codes] * float(form.slope) + float(form.offset)
    np.testing.assert_allclose(got, real[name], rtol=1e-12, atol=1e-12)
    kind = work.codes(form.codes)
    assert kind is not None
    assert work.form(name) is form  # nothing is emitted twice
    values = form.values(kind)
    assert values == [form.slope * k + form.offset for k in range(kind.hi + 1)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", ["", "pool", "flat", "rearranged", "joined"])
def test_offsets_and_movements(channels: int, last: str) -> None:
    ops = (
        affine("a", "x", 3, *[Fraction(1, 3)] * channels),
        affine("b", "a", Fraction(1, 2), *[-5] * channels),
    )
    check(program(channels, *ops, *moved(last, "b")), "y" if last else "b")


@pytest.mark.parametrize("last", ["flat", "rearranged", "joined"])
def test_falling_values(last: str) -> None:
    check(program(2, affine("a", "x", -2, 1, 1), *moved(last, "a")), "y")


def test_places_outside_are_the_code_of_zero() -> None:
    check(program(2, affine("a", "x", -2, 0, 0), *moved("padded", "a")), "y")


def test_joins_of_other_scales() -> None:
    """3/4 k + 1 and 1/2 k: both are multiples of 1/4."""
    check(
        program(
            2,
            affine("a", "x", 3, 1, 1),
            affine("b", "x", 2, 0, 0),
            RealConcat(output="c", inputs=("a", "b")),
            RealConcat(output="y", inputs=("c", "b")),
        ),
        "y",
    )


@pytest.mark.parametrize(
    "ops",
    [
        (affine("y", "x", 3, 1, 2),),
        (replace(affine("y", "x", 3, 1, 1), slope=(Surd.of(3), Surd.of(4))),),
        (affine("y", "x", 0, 1, 1),),
        (affine("y", "x", Surd.root(2), 1, 1),),
        (affine("a", "x", -3, 1, 1), *moved("pool", "a")),
        (affine("a", "x", 3, 1, 1), *moved("padded", "a")),
        (affine("a", "x", 3, 1, 1), *moved("ONNX", "a")),
        (affine("a", "x", 3, 1, 2), *moved("flat", "a")),
        (affine("a", "x", 3, 1, 2), RealConcat(output="y", inputs=("x", "a"))),
    ],
    ids=["offsets differ", "slopes differ", "constant", "irrational", "greatest of falling ones",
         "zeros outside", "ONNX order", "of channels", "joined with such"],
)  # fmt: skip
def test_what_has_no_form(ops: tuple[Op, ...]) -> None:
    assert forms(program(2, *ops)).form("y") is None
