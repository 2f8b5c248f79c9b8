"""The program's error in what a quantizer compares, by the slopes of what is in between."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.relation import Relation, flattened_orders, inward, outward
from n2uqc.passes.program import (
    Constant,
    ConstRef,
    Interface,
    IntType,
    Program,
    RealType,
    TensorType,
)
from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.interface import Port
from n2uqc.passes.program.ops.real import (
    Affine,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealFunction,
    RealPRelu,
)

from ...properties.builder import NetworkBuilder


def related(bend: str = "") -> tuple[Relation, Program]:
    """A sum in fixed point, a map of it and an activation, then a quantizer."""
    b = NetworkBuilder(3, 2, 4)
    y = b.conv("x", 2, bits=None)
    y = b.batchnorm(b.add(y, b.batchnorm(y)))
    y = b.node("Function", [y], b.shape[y], expression=bend) if bend else b.prelu(y)
    model: ir.Model = b.model(b.conv(b.quantize(y, 2), 2, bits=2))
    program = compile_graph(model)
    return Relation(reference(model, Options()), program), program


def test_errors_grow_by_the_slopes_of_the_chain() -> None:
    relation, program = related()
    (op,) = (op for op in relation.quantizers.values() if op.output in relation.producers)
    bend, scale = (
        next(r for r in relation.real.ops if isinstance(r, kind) and of in (r.output, op.inputs[0]))
        for kind, of in ((RealPRelu, op.inputs[0]), (Affine, _before(relation, op.inputs[0])))
    )
    base = program.int_type(relation.producers[op.output].inputs[0])
    assert base.error > 0
    want = [
        float(base.error) * abs(float(s)) * max(1.0, abs(float(k)))
        for s, k in zip(scale.slope, bend.slope, strict=True)
    ]
    assert max(want) > float(base.error)
    np.testing.assert_allclose(relation.error(op), want, rtol=1e-9)


def _before(relation: Relation, name: str) -> str:
    return next(op.inputs[0] for op in relation.real.ops if op.output == name)


def test_the_steepest_place_of_a_function_counts() -> None:
    """A sigmoid is nowhere steeper than 1/4, and as steep as that at 0."""
    relation, program = related("sigmoid(x)")
    (op,) = (op for op in relation.quantizers.values() if op.output in relation.producers)
    _, scale = (
        next(r for r in relation.real.ops if isinstance(r, kind) and r.output == name)
        for kind, name in ((RealFunction, op.inputs[0]), (Affine, _before(relation, op.inputs[0])))
    )
    base = program.int_type(relation.producers[op.output].inputs[0])
    want = np.array([float(base.error) * abs(float(s)) / 4 for s in scale.slope])
    got = relation.error(op)
    assert (want <= got).all() and (got <= 1.01 * want).all()


@pytest.mark.parametrize("channels_last", [False, True])
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_axes_there_and_back(channels_last: bool, n: int, h: int, w: int, c: int) -> None:
    shape = (h, w, c) if channels_last else (c, h, w)
    port = Port("x", shape, channels_last=channels_last)
    maps = np.arange(n * h * w * c).reshape(n, h, w, c)
    given_out = outward(port, maps)
    assert given_out.shape == (n, *shape)
    assert (
        given_out[n - 1][(h - 1, 0, c - 1) if channels_last else (c - 1, h - 1, 0)]
        == (maps[n - 1, h - 1, 0, c - 1])
    )
    flat = given_out.reshape(n, -1)
    np.testing.assert_array_equal(inward(port, flat, (n, h, w, c)), maps)


def test_orders_of_what_is_flattened() -> None:
    """The program's channels, in memory order, by their index in the network, in ONNX order."""
    ops = (
        RealFlatten(output="f", inputs=("x",)),
        RealClip(output="c", inputs=("f",), lo=None, hi=Surd.of(1)),
        RealFlatten(output="g", inputs=("c",)),
        RealFlatten(output="m", inputs=("x",), channels_last=True),
        RealConcat(output="j", inputs=("m", "g")),
        RealFlatten(output="p", inputs=("j",)),
        RealConv(output="y", inputs=("p",), weight=ConstRef("w")),
    )
    types: dict[str, TensorType] = {"x": RealType((2, 3, 4))}
    consts = {"w": Constant.real(np.ones((1, 1, 1, 48)))}
    for op in ops:
        types[op.output] = op.infer(types, consts)
    face = Interface.single("x", (4, 2, 3), "y", (1, 1, 1))
    real = Program("p", face, ("x",), ("y",), types, ops, consts)
    orders = flattened_orders(real)
    x = np.arange(24.0).reshape(1, 2, 3, 4) / 24
    memory = ops[3].execute([x], {})[0, 0, 0]
    network = ops[0].execute([x], {})[0, 0, 0]
    for name in "fcg":
        np.testing.assert_array_equal(network[orders[name]], memory)
    both = np.concatenate([memory, network])
    for name in "jp":
        np.testing.assert_array_equal(both[orders[name]], np.concatenate([memory, memory]))
    assert orders.keys() == {*"fcgjp"}


def test_a_function_is_as_steep_as_values_off_by_their_error_find_it() -> None:
    """The square of 2 x: between x = 10 and 11, which an integer 10 may mean, it grows by 84."""
    relation, _ = related()
    names = {"output": "y", "inputs": ("x",)}
    chain = [
        RealFunction(expression="pow(x,2)", **names),
        Affine(slope=(Surd.of(2),), offset=(Surd.of(0),), **names),
    ]
    kind = IntType((1, 1, 1), 5, True, -10, 10, Fraction(1), error=Fraction(1))
    (error,) = relation._after(chain, kind, np.ones(1))
    assert 22**2 - 20**2 <= error <= 1.3 * (22**2 - 20**2)
    (error,) = relation._after(chain[:0], kind, np.ones(1))
    assert error == pytest.approx(1)
