"""The n2uq domain: nodes are built, read back, serialized, and mean what the formulas say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.opset import (
    Codebook,
    Threshold,
    Weight,
    make_codebook,
    make_threshold,
    make_weight,
    read_codebook,
    read_threshold,
    read_weight,
)
from n2uqc.frontend.reference import evaluate, evaluate_values
from n2uqc.frontend.schemas import CANONICAL_OPS, DOMAIN, SCHEMAS
from tests.frontend.networks import Array


def one_quantizer(params: Threshold, channels: int = 2) -> ir.Model:
    x = ir.val("x", ir.DataType.FLOAT, ["N", channels, 3, 3])
    graph = ir.Graph([x], [], nodes=[], name="g", opset_imports={"": 18, DOMAIN: 1})
    node = make_threshold(graph, x, params, "quantizer")
    graph.append(node)
    graph.outputs.append(node.outputs[0])
    return ir.Model(graph, ir_version=10)


def threshold(values: list[list[float]], **other: object) -> Threshold:
    given: dict[str, object] = {"input_scale": np.float32(1), "step": 2.0, "divisor": 3}
    return Threshold(np.float32(values), strict=True, bits=2, **(given | other))  # type: ignore[arg-type]


def test_threshold_reads_back_after_serialization() -> None:
    params = threshold([[0.1, 0.2, 0.3]], input_scale=np.float32(-0.7), step=0.1)
    model = ir.from_proto(ir.to_proto(one_quantizer(params)))
    onnx.checker.check_model(ir.to_proto(model))
    again = read_threshold(model.graph.node(0))
    np.testing.assert_array_equal(again.thresholds, params.thresholds)
    assert (again.input_scale, again.step) == (np.float32(-0.7), 0.1)
    assert (again.divisor, again.strict, again.bits, again.levels) == (3, True, 2, 3)


def test_weight_reads_back() -> None:
    graph = ir.Graph([], [], nodes=[], name="g", opset_imports={"": 18, DOMAIN: 1})
    codes = np.int8([[[[-3, 1]]], [[[3, -1]]]])
    node = make_weight(graph, Weight(codes, np.array([0.5, 2.0]), 6, 2), "w")
    params = read_weight(node)
    np.testing.assert_array_equal(params.codes, codes)
    np.testing.assert_array_equal(params.values()[:, 0, 0], [[-0.25, 0.5 / 6], [1.0, -2 / 6]])
    assert (params.divisor, params.bits) == (6, 2)


def test_rules_and_float64_thresholds_read_back() -> None:
    values = np.array([[0.1, 0.2, 0.3]])
    params = Threshold(values, np.float32(1), 1.0, 1, True, 2, np.array([True, False, True]))
    model = ir.from_proto(ir.to_proto(one_quantizer(params)))
    onnx.checker.check_model(ir.to_proto(model))
    again = read_threshold(model.graph.node(0))
    np.testing.assert_array_equal(again.thresholds, values)
    assert again.rules[0] == (True, False, True)
    x = np.tile(values, (1, 3)).reshape(1, 1, 3, 3).repeat(2, axis=1)
    np.testing.assert_array_equal(evaluate(model, x)[0, 0, 0], [0, 2, 2])


def test_codebook_reads_back() -> None:
    x = ir.val("x", ir.DataType.FLOAT, ["N", 2, 1, 1])
    graph = ir.Graph([x], [], nodes=[], name="g", opset_imports={"": 18, DOMAIN: 1})
    thresholds = np.float32([[0, 1], [2, 3]])
    params = Codebook(thresholds, np.float32(2), np.array([5.0, -1, 0.1]), False, 2)
    graph.append(make_codebook(graph, x, params, "book"))
    graph.outputs.append(graph.node(0).outputs[0])
    model = ir.from_proto(ir.to_proto(ir.Model(graph, ir_version=10)))
    onnx.checker.check_model(ir.to_proto(model))
    again = read_codebook(model.graph.node(0))
    np.testing.assert_array_equal(again.levels, [5.0, -1, 0.1])
    np.testing.assert_array_equal(again.thresholds, thresholds)
    assert (again.input_scale, again.strict, again.bits) == (2, False, 2)
    np.testing.assert_array_equal(evaluate(model, np.full((1, 2, 1, 1), 0.5)).ravel(), [0.1, 5])
    np.testing.assert_array_equal(evaluate(model, np.full((1, 2, 1, 1), 1.5)).ravel(), [0.1, 0.1])


@pytest.mark.parametrize(("codes", "dtype"), [([-128, 127], np.int8), ([-255, 0], np.int16)])
def test_signed_weights_read_back(codes: list[int], dtype: type) -> None:
    graph = ir.Graph([], [], nodes=[], name="g", opset_imports={"": 18, DOMAIN: 1})
    held = Weight(np.array([codes]), np.array([0.5]), 1, 9, odd=False)
    params = read_weight(make_weight(graph, held, "w"))
    assert (params.codes.dtype, params.odd, params.bits) == (dtype, False, 9)
    np.testing.assert_array_equal(params.values(), np.array([codes]) / 2)


def test_reading_needs_parameters() -> None:
    node = ir.node("Weight", [ir.val("a"), ir.val("b")], {"divisor": 1, "bits": 2}, domain=DOMAIN)
    with pytest.raises(ValueError, match="not an initializer"):
        read_weight(node)


def test_schemas_are_the_canonical_ops_of_the_domain() -> None:
    assert CANONICAL_OPS[DOMAIN] == {schema.name for schema in SCHEMAS}
    for schema in SCHEMAS:
        assert schema.domain == DOMAIN and schema.doc and schema.inputs and schema.attributes


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3).map(sorted),
    scale=st.floats(-2, 2, width=32),
    x=st.lists(st.floats(-4, 4, width=32), min_size=9, max_size=9),
    strict=st.booleans(),
)
def test_meaning_is_that_of_exact_arithmetic(
    values: list[float], scale: float, x: list[float], strict: bool
) -> None:
    """Products of two float32 numbers are exact in float64, so even ties must agree."""
    params = Threshold(np.float32([values]), np.float32(scale), 2.0, 3, strict, 2)
    model = one_quantizer(params, channels=1)
    got = evaluate(model, np.array(x).reshape(1, 1, 3, 3)).reshape(-1)
    for number, level in zip(x, got, strict=True):
        scaled = Fraction(number) * Fraction(scale)
        passed = [scaled > Fraction(t) if strict else scaled >= Fraction(t) for t in values]
        assert level == sum(passed) * (2.0 / 3)


def test_thresholds_per_channel() -> None:
    model = one_quantizer(threshold([[0, 1, 2], [-1, 0, 1]]))
    x: Array = np.full((1, 2, 3, 3), 0.5)
    got = evaluate(model, x)
    np.testing.assert_array_equal(np.unique(got[0, 0]), [2 / 3])
    np.testing.assert_array_equal(np.unique(got[0, 1]), [4 / 3])


def test_values_by_name() -> None:
    model = one_quantizer(threshold([[0, 1, 2]]))
    x = np.zeros((1, 2, 3, 3))
    assert list(evaluate_values(model, x, ["quantizer_out"])) == ["quantizer_out"]
    with pytest.raises(CompileError, match="nowhere"):
        evaluate_values(model, x, ["nowhere"])
