"""Files that protobuf can read and that are no ONNX: one error each, which names the place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto

from n2uqc.frontend.read import read_model
from n2uqc.frontend.wellformed import _VALUE_OF, MOST_NAME
from tests.frontend.networks import build, check_same, refused
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters

W = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype(np.float32)


def conv() -> onnx.ModelProto:
    return build("[conv] y = Conv <pads = [1, 1, 1, 1]> (x, W)", {"W": W})


def broken_text(model: onnx.ModelProto, text: str) -> bytes:
    """The model's bytes with a name replaced by one of the same length that is not UTF-8."""
    content = model.SerializeToString()
    assert text.encode() in content
    return content.replace(text.encode(), b"\xe5" * len(text))


@pytest.mark.parametrize("text", ["conv", "Conv", "pads"])
def test_names_that_are_not_utf8(text: str) -> None:
    refused(broken_text(conv(), text), "not UTF-8", "\\xe5")


@pytest.mark.parametrize("field", ["graph", "domain", "value_info"])
def test_other_text_that_is_not_utf8(field: str) -> None:
    model = conv()
    match field:
        case "graph":
            model.graph.name = "strange"
        case "domain":
            model.opset_import.add(domain="strange", version=1)
        case _:
            model.graph.value_info.add(name="strange")
    refused(broken_text(model, "strange"), "not UTF-8")


def test_comments_may_hold_anything() -> None:
    model = conv()
    model.graph.node[0].doc_string = "comment"
    model.doc_string = "comment" * MOST_NAME
    assert not read_model(broken_text(model, "comment")).graph.node[0].doc_string


@pytest.mark.parametrize("length", [MOST_NAME, 65_536])
def test_long_names(length: int) -> None:
    model = conv()
    model.graph.node[0].name = "n" * length
    if length <= MOST_NAME:
        check_same(model)
    else:
        refused(model, "its name has 65536 characters, at most 4096", "nnnn…")


def test_every_type_of_attribute_has_its_field() -> None:
    kinds = set(AttributeProto.AttributeType.values()) - {AttributeProto.UNDEFINED}
    assert set(_VALUE_OF) == kinds
    assert {f.name for f in AttributeProto.DESCRIPTOR.fields} >= set(_VALUE_OF.values())


ATTRIBUTES: dict[str, tuple[Callable[[AttributeProto], None], str]] = {
    "no type": (lambda a: a.ClearField("type"), "has no type"),
    "another type": (
        lambda a: setattr(a, "type", AttributeProto.STRINGS),
        "says STRINGS and holds",
    ),
    "an unknown type": (lambda a: setattr(a, "i", 3), "and holds"),
    "a tensor that is missing": (
        lambda a: (a.Clear(), setattr(a, "name", "pads"), setattr(a, "type", 4)),
        "says TENSOR and holds -",
    ),
    "a parameter of no function": (lambda a: setattr(a, "ref_attr_name", "p"), "outside of any"),
    "bytes": (
        lambda a: a.CopyFrom(onnx.helper.make_attribute("auto_pad", b"\xff\xfe")),
        "'auto_pad' is not UTF-8",
    ),
}


@pytest.mark.parametrize("case", ATTRIBUTES)
@pytest.mark.parametrize("nested", [False, True])
def test_attributes_of_the_wrong_type(case: str, nested: bool) -> None:
    damage, words = ATTRIBUTES[case]
    model = conv()
    node = model.graph.node[0]
    damage(node.attribute[0])
    if nested:  # in a branch
        outer = onnx.helper.make_node("If", ["c"], ["y"], "if", then_branch=model.graph)
        del outer.attribute[0].g.input[:]
        model.graph.node[0].CopyFrom(outer)
    (problem, *_) = refused(model, words)
    assert (problem.node, problem.op) == ("conv", "Conv")


def test_attributes_given_twice() -> None:
    model = conv()
    model.graph.node[0].attribute.append(model.graph.node[0].attribute[0])
    refused(model, "'pads' is given twice")


@pytest.mark.parametrize(
    ("name", "value"), [("narrow", [1]), ("rounding_mode", 1), ("signed", 1.0)]
)
def test_attributes_of_operators_that_onnx_does_not_define(name: str, value: object) -> None:
    model = qonnx_model(quant("q", "x", "y"), quant_parameters("q", 0.5, 0, 3))
    node = next(n for n in model.graph.node if n.op_type == "Quant")
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    refused(model, f"the attribute '{name}' is ", " is supported")


def test_numbers_that_are_left_out_are_nought() -> None:
    """Writers of proto3 leave them out."""
    model = build("y = Concat <axis = 0> (x, x)")
    model.graph.node[0].attribute[0].ClearField("i")
    read_model(model)


TENSORS: dict[str, tuple[Callable[[TensorProto], None], str]] = {
    "cut off": (lambda t: setattr(t, "raw_data", t.raw_data[:-1]), "215 bytes of data where"),
    "too long": (lambda t: setattr(t, "raw_data", t.raw_data + b"0000"), "220 bytes"),
    "none": (lambda t: t.ClearField("raw_data"), "holds 0 numbers of data where the shape"),
    "no type": (lambda t: setattr(t, "data_type", 0), "element type 0, which ONNX does not"),
    "type 98": (lambda t: setattr(t, "data_type", 98), "element type 98, which ONNX does not"),
    "type -3": (lambda t: setattr(t, "data_type", -3), "element type -3, which ONNX does not"),
    "another type": (lambda t: setattr(t, "data_type", TensorProto.DOUBLE), "of DOUBLE takes 432"),
    "huge": (lambda t: t.dims.__setitem__(0, 2**62), "takes 332041393326771929088"),
    "negative": (lambda t: t.dims.__setitem__(0, -3), "has the shape [-3, 2, 3, 3]"),
    "a segment": (lambda t: setattr(t.segment, "begin", 1), "segment"),
}


@pytest.mark.parametrize("case", TENSORS)
@pytest.mark.parametrize("place", ["initializer", "Constant"])
def test_tensors_whose_data_does_not_fit(case: str, place: str) -> None:
    damage, words = TENSORS[case]
    model = conv()
    damage(model.graph.initializer[0])
    if place == "Constant":
        tensor = model.graph.initializer.pop()
        node = onnx.helper.make_node("Constant", [], ["W"], "W")
        node.attribute.add(name="value", type=AttributeProto.TENSOR).t.CopyFrom(tensor)
        model.graph.node.insert(0, node)
    (problem,) = refused(model, words)
    assert (problem.node, problem.op) == ("W", place)


def test_numbers_of_four_bits() -> None:
    """Two in a byte, and in a field of `int32_data`."""
    model = conv()
    for raw in (True, False):
        tensor = TensorProto(name="q", dims=[3], data_type=TensorProto.INT4)
        if raw:
            tensor.raw_data = b"12"
        else:
            tensor.int32_data.extend([0x12, 0x3])
        model.graph.initializer.append(tensor)
        read_model(model)
        del model.graph.initializer[-1]


@pytest.mark.parametrize(("field", "value"), [("ir_version", 2**40), ("ir_version", -1)])
def test_versions_that_are_none(field: str, value: int) -> None:
    model = conv()
    setattr(model, field, value)
    refused(model, f"IR version {value}")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_attributes_that_are_no_numbers(value: float) -> None:
    model = qonnx_model("y = q.MultiThreshold <out_bias = 1.0> (x, T)", {"T": [[0.5]]})
    model.graph.node[0].attribute[0].f = value
    refused(model, "finite numbers are supported")


def test_offsets_beyond_float32() -> None:
    parameters = quant_parameters("q", 3e38, 8, 3)
    model = qonnx_model(quant("q", "x", "y", signed=0), parameters)
    refused(model, "offset")


@pytest.mark.parametrize("versions", [(17, 18), (2**40,), (-1,)])
def test_opsets_that_are_none(versions: tuple[int, ...]) -> None:
    model = conv()
    del model.opset_import[:]
    for version in versions:
        model.opset_import.add(domain="", version=version)
    refused(model, f"version {versions[0]} of ONNX")


def test_graphs_in_graphs_in_graphs() -> None:
    """Deeper than protobuf reads, and writes."""

    def inside(field: int, content: bytes) -> bytes:
        size, prefix = len(content), b""
        while size > 127:
            prefix, size = prefix + bytes([size % 128 + 128]), size // 128
        return bytes([field * 8 + 2]) + prefix + bytes([size]) + content

    content = conv().graph.SerializeToString()
    for _ in range(60):  # GraphProto.node, NodeProto.attribute, AttributeProto.g
        content = inside(1, inside(5, inside(6, content)))
    refused(inside(7, content) + inside(8, b"\x10\x11"), "not an ONNX model")
