"""Graphs that are broken or of the wrong kind, each with one error."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from n2uqc.frontend.check import OPSETS
from n2uqc.frontend.host_model import MOST_BATCH
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.opset import output_names
from tests.frontend.networks import build, check_same, ladder, ops, refused, rungs

W = np.random.default_rng(0).standard_normal((3, 2, 3, 3))


@pytest.mark.parametrize("opset", [8, OPSETS[-1] + 1])
def test_opset_out_of_range(opset: int) -> None:
    refused(build("y = Relu (x)", opset=opset), f"opset {opset}", "opset 9 to")


def test_no_standard_opset() -> None:
    model = build("y = Relu (x)")
    del model.opset_import[:]
    model.opset_import.add(domain="other", version=1)
    refused(model, "names no ONNX opset")


@pytest.mark.parametrize("opset", [13, 16, 20, 22, OPSETS[-1]])
def test_every_opset_means_the_same(opset: int) -> None:
    check_same(
        build(
            """a = Conv <pads = [1, 1, 1, 1]> (x, W)
            b = BatchNormalization (a, g, b0, mean, var)
            c = PRelu (b, slope)
            d = MaxPool <kernel_shape = [2, 2]> (c)
            e = AveragePool <kernel_shape = [2, 2]> (d)
            f = GlobalAveragePool (e)
            h = Flatten (f)
            y = Gemm <transB = 1> (h, V)""",
            {
                "W": W, "g": [1.0, -1.0, 0.5], "b0": [0.1, 0.2, 0.3], "mean": [0.0, 0.1, 0.2],
                "var": [1.0, 2.0, 3.0], "slope": np.full((3, 1, 1), 0.25), "V": np.ones((4, 3)),
            },
            opset=opset,
        )
    )  # fmt: skip


def test_long_name_of_the_standard_domain() -> None:
    model = build("y = Relu (x)")
    model.opset_import[0].domain = "ai.onnx"
    model.graph.node[0].domain = "ai.onnx"
    assert ops(load_graph(model)) == ["Relu"]


def test_functions_are_inlined() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
        g (float[N,2,4,4] x) => (float[N,2,4,4] y) { y = local.twice (x) }
        <domain: "local", opset_import: ["" : 17]> twice (a) => (b) { b = Add (a, a) }"""
    assert ops(check_same(onnx.parser.parse_model(text))) == ["Add"]


def test_cycle_names_its_nodes() -> None:
    body = "[first] a = Relu (x) [second] b = Add (a, c) [third] c = Relu (b) [last] y = Relu (c)"
    (problem,) = refused(build(body), "cyclic", "'second'", "'third'")
    assert problem.node == "second"
    assert "'first'" not in str(problem)


def test_nodes_out_of_order_are_sorted() -> None:
    model = build("a = Relu (x) y = Neg (a)")
    model.graph.node[1].op_type = "Relu"
    model.graph.node.reverse()
    assert ops(load_graph(model)) == ["Relu", "Relu"]


def test_value_nothing_computes() -> None:
    (problem,) = refused(build("[add] y = Add (x, ghost)"), "'ghost'")
    assert (problem.node, problem.op) == ("add", "Add")


def test_value_computed_twice() -> None:
    refused(build("a = Relu (x) a = Neg (x) y = Relu (a)"), "'a'")


def test_attributes_against_the_definition() -> None:
    refused(build("y = Relu <alpha = 1> (x)"), "against its definition", "alpha")


@pytest.mark.parametrize(
    ("x", "word"),
    [
        ("float[2,2,4,4] x, float[3,2,4,4] z", "first axes of the inputs are 2, 3"),
        ("float[2,2,4,4] x, float[N,2,4,4] z", "first axes of the inputs are 2, N"),
        ("float[N,2,2,2,2] x", "shape [N,2,2,2,2]"),
        ("float[N,2,H,W] x", "shape [N,2,H,W]"),
        ("float[N,2,0,4] x", "shape [N,2,0,4]"),
        ("float[] x", "unknown shape"),
        ("int8[N,2,4,4] x", "INT8"),
    ],
)
def test_input_of_the_wrong_kind(x: str, word: str) -> None:
    body = "y = Concat <axis = 1> (x, z)" if "z" in x else "a = Cast <to = 1> (x) y = Relu (a)"
    refused(build(body, x=x), word)


def test_bytes_are_read_as_real_numbers_or_not_at_all() -> None:
    body = "a = Cast <to = 1> (x) b = Cast <to = 6> (x) c = Cast <to = 1> (b) y = Add (a, c)"
    refused(build(body, x="uint8[N,2,4,4] x"), "UINT8", "that a Cast makes float32")


def test_two_outputs_keep_their_names() -> None:
    """Also where the frontend finds that both are one value."""
    model = build("a = Relu (x) y = Identity (a) z = Identity (y)", y="float[] y, float[] z")
    graph = load_graph(model)
    assert output_names(graph) == ["y", "z"] and len(graph.graph.outputs) == 2


def test_an_output_listed_twice() -> None:
    refused(build("y = Relu (x)", y="float[] y, float[] y"), "listed 2 times")


def test_parameters_as_inputs() -> None:
    x = "float[N,2,4,4] x, float[3,2,3,3] W"
    refused(
        build("y = Conv (x, W)", x=x),
        "inputs that are parameters of layers: 'W'",
        "export_params=True",
    )


def test_parameters_listed_as_inputs_are_parameters() -> None:
    model = build("y = Conv (x, W)", {"W": W}, x="float[N,2,4,4] x, float[3,2,3,3] W")
    assert ops(load_graph(model)) == ["Conv"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameter_not_finite(value: float) -> None:
    broken = W.copy()
    broken[1, 0, 2, 1] = value
    (problem,) = refused(build("[conv] y = Conv (x, W)", {"W": broken}), "'W'", "[1, 0, 2, 1]")
    assert (problem.node, problem.op) == ("conv", "Conv")


def test_infinite_bound_is_no_bound() -> None:
    model = build("y = Clip (x, low, high)", {"low": np.float32(0), "high": np.float32(np.inf)})
    assert ops(check_same(model)) == ["Relu"]


def test_a_bound_that_is_nan() -> None:
    (problem,) = refused(build("[clip] y = Clip (x, low)", {"low": np.float32(np.nan)}), "'low'")
    assert problem.op == "Clip"


def test_constant_node_not_finite() -> None:
    refused(build("[c] c = Constant <value_float = nan> () [add] y = Add (x, c)"), "not finite")


def test_raw_data_shorter_than_its_shape() -> None:
    model = build("[conv] y = Conv (x, W)", {"W": W})
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-8]
    refused(model)


def test_all_unsupported_nodes_in_one_error() -> None:
    body = """[soft] a = Softmax <axis = 0> (x) [conv] b = Conv (a, W) [mine] c = other.Strange (b)
        [sig] d = Cosh (c) [relu] y = Relu (d)"""
    problems = refused(build(body, {"W": W}), "'soft'", "'mine'", "'sig'", "largest score")
    assert {p.node for p in problems} == {"soft", "mine", "sig"}


def test_custom_operators_are_not_taken_for_standard_ones() -> None:
    """other.Identity is not Identity, other.Where no rung of a ladder."""
    for op in ("Identity", "Relu", "Conv"):
        body = f"a = Relu (x) [mine] b = other.{op} (a) y = Relu (b)"
        (problem,) = refused(build(body), "domain 'other'")
        assert problem.node == "mine"


def test_files_that_onnxruntime_optimized() -> None:
    body = "a = Relu (x) [fused] b = other.NhwcFusedConv (a, W) y = Relu (b)"
    model = build(body, {"W": W})
    model.graph.node[1].domain = model.opset_import[1].domain = "com.microsoft"
    (problem,) = refused(model, "domain 'com.microsoft'")
    assert problem.node == "fused" and "ONNX Runtime optimized" in problem.hint


def test_canonical_graphs_are_no_input() -> None:
    graph = load_graph(build(ladder(1, top="y"), rungs([0.5], [0.0, 1.0])))
    refused(ir.to_proto(graph), "domain 'n2uq'", "'where1'")


def test_sparse_parameters() -> None:
    model = build("y = Conv (x, W)")
    dense = onnx.helper.make_tensor("W", 1, [1], [1.0])
    index = onnx.helper.make_tensor("i", 7, [1], [0])
    sparse = onnx.helper.make_sparse_tensor(dense, index, [3, 2, 3, 3])
    model.graph.sparse_initializer.append(sparse)
    refused(model, "stored sparse", "'W'")


def test_value_names_that_would_clash() -> None:
    """A constant minus a tensor needs a value of its own."""
    body = "y.negated = Relu (x) y = Sub (c, y.negated)".replace("y.negated", "z")
    model = build(body, {"c": np.float32(1)})
    for part in (model.graph.node[0].output, model.graph.node[1].input):
        part[-1] = "y.negated"
    refused(model, "2 values would be named 'y.negated'")


def test_output_that_ignores_the_input() -> None:
    refused(build("[a] a = Identity (c) y = Relu (a)", {"c": np.ones((1, 2, 4, 4))}), "constant")


def test_network_without_layers() -> None:
    refused(build("y = Identity (x)"), "output is its input")


@pytest.mark.parametrize("op", ["Conv (a, W)", "PRelu (a, p)", "Add (a, p)", "Flatten (a)"])
def test_shapes_unknown_behind_a_custom_operator_are_not_reported(op: str) -> None:
    body = f"[mine] a = other.Strange (x) [after] y = {op}"
    (problem,) = refused(build(body, {"W": W, "p": np.ones((2, 1, 1))}), "domain 'other'")
    assert problem.node == "mine"


def test_size_that_depends_on_the_data() -> None:
    body = """[max] n = ReduceMax <keepdims = 0> (x) i = Cast <to = 7> (n) t = Reshape (i, one)
        u = Concat <axis = 0> (zero, zero, zero, t) a = Reshape (x, u) [relu] y = Relu (a)"""
    parameters = {"one": np.int64([1]), "zero": np.int64([0])}
    names = {p.node for p in refused(build(body, parameters))}
    assert "max" in names and "relu" not in names


def test_integer_activations() -> None:
    body = (
        "a = Cast <to = 3> (x) [pool] b = MaxPool <kernel_shape = [2, 2]> (a) y = Cast <to = 1> (b)"
    )
    assert "pool" in {p.node for p in refused(build(body), "INT8")}


def test_all_problems_of_the_shapes_in_one_error() -> None:
    body = "[one] a = Add (x, p) [two] b = Conv (x, q) y = Relu (x)"
    body = body.replace("y = Relu (x)", "c = Relu (a) d = Relu (b) y = Add (c, d)")
    parameters = {"p": np.ones(5), "q": np.ones((3, 2))}
    assert {p.node for p in refused(build(body, parameters), "does not fit")} == {"one", "two"}


@pytest.mark.parametrize(
    ("nodes", "node"),
    [
        ("[bomb] b = Range (zero, many, one)", "bomb"),
        ("[bomb] b = ConstantOfShape (square)", "bomb"),
        ("[bomb] b = Tile (line, many)", "bomb"),
        (" ".join(f"[b{i}] b{i + 1} = Concat <axis = 0> (b{i}, b{i})" for i in range(30))
         .replace("b0,", "line,").replace(", b0)", ", line)").replace(" b30 ", " b "), "b20"),
    ],
)  # fmt: skip
def test_constants_too_large_for_memory(nodes: str, node: str) -> None:
    """Found by their shapes, before anything computes them."""
    body = f"{nodes} i = Cast <to = 1> (b) s = ReduceSum <keepdims = 0> (i) y = Add (x, s)"
    values = {"zero": 0, "many": 2**40, "one": 1, "square": [2**20, 2**20], "line": [0, 1, 2, 3]}
    parameters = {name: np.int64(value) for name, value in values.items()}
    if "Tile" in nodes:
        parameters["many"] = parameters["many"].reshape(1)
    (problem,) = refused(build(body, parameters), "elements", "at most")
    assert problem.node == node


def test_negative_sizes() -> None:
    model = build("y = Conv (x, W)", {"W": W})
    model.graph.initializer[0].dims[0] = -1
    (problem,) = refused(model, "has the shape [-1")
    assert problem.node == "W"


@pytest.mark.parametrize("batch", [MOST_BATCH + 1, 2**63 - 1])
def test_a_batch_that_no_network_has(batch: int) -> None:
    model = build("v = Relu (x) y, i = TopK (v, k)", {"k": np.array([3])}, x="float[N,8] x")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    refused(model, f"batch {batch}", f"1 to {MOST_BATCH}")


@pytest.mark.parametrize(
    "node",
    [
        "y, i = TopK <largest = 8> (x, k)",
        "y, i = TopK <sorted = -1> (x, k)",
        "y = ArgMax <axis = 1, select_last_index = 3> (x)",
        "y = ArgMax <axis = 1, keepdims = 100> (x)",
        "y = ReduceMean <axes = [2, 3], keepdims = -1> (x)",
        "f = Flatten (x) y = Gemm <transB = 5> (f, w)",
    ],
)
def test_flags_that_are_neither_0_nor_1(node: str) -> None:
    """Runtimes take 8 for true or for false, as they please."""
    refused(build(node, {"k": np.array([2]), "w": np.ones((3, 32))}), "= ", "0 or 1")


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ("y = Resize <nearest_mode = ''> (x, none, k)", "nearest_mode = ''"),
        ("y = Resize <mode = 'Nearest'> (x, none, k)", "mode = 'Nearest'"),
        ("y = DepthToSpace <blocksize = 2, mode = 'crd'> (w)", "mode = 'crd'"),
        ("y = Gelu <approximate = 'erf'> (x)", "approximate = 'erf'"),
        ("y = Pad <mode = 'zero'> (x, k)", "mode = 'zero'"),
        ("y = Conv <auto_pad = 'SAME'> (x, w)", "auto_pad = 'SAME'"),
    ],
)
def test_words_that_are_not_defined(node: str, found: str) -> None:
    body = node.replace("'", '"').replace("none, ", '"", ')
    parameters = {"k": np.ones(4, np.float32), "w": np.ones((3, 2, 3, 3))}
    refused(build(body, parameters, opset=20), found)


@pytest.mark.parametrize("between", ["", "m = MaxPool <kernel_shape = [2, 2]> (b)"])
def test_a_window_beyond_its_map_in_front_of_a_slice(between: str) -> None:
    """ONNX's inference ended the process at the Slice of a negative size."""
    last = "m" if between else "b"
    body = f"""s = Slice (x, zero, far, axis) [big] a = Conv <dilations = [50, 1]> (s, W)
        b = Slice (a, zero, far, axis) {between} y = Slice ({last}, zero, far, axis)"""
    numbers = {"W": W, "zero": np.array([0]), "far": np.array([2**40]), "axis": np.array([2])}
    (problem,) = refused(build(body, numbers), "an empty tensor", "'big'")
    assert "sizes of 1 or more" in problem.supported


def test_slices_of_slices_keep_their_shapes() -> None:
    """Also beyond the number of rounds that are taken for them."""
    lines = [f"v{k} = Slice (v{k - 1}, zero, far, axis)" for k in range(1, 80)]
    body = f"v0 = Relu (x) {' '.join(lines)} y = Relu (v79)"
    numbers = {"zero": np.array([0]), "far": np.array([3]), "axis": np.array([2])}
    graph = load_graph(build(body, numbers))
    (output,) = graph.graph.outputs
    assert output.shape is not None and list(output.shape)[1:] == [2, 3, 4]


def test_a_zero_point_of_a_32_bit_sum() -> None:
    """ONNX has none; a runtime let the difference overflow."""
    body = "q = DequantizeLinear (codes, scale, zero) y = Add (x, q)"
    numbers = {"codes": np.array([5, 7], np.int32).reshape(1, 2, 1, 1), "scale": np.float32(0.5)}
    for zero in (np.int32(-(2**31)), np.int32(1)):
        refused(build(body, numbers | {"zero": zero}), f"a zero point of {zero} for 32-bit")
    load_graph(build(body, numbers | {"zero": np.int32(0)}))


def test_a_zero_point_of_another_type_is_not_read_too_early() -> None:
    """Its content need not fit its type."""
    body = "q = DequantizeLinear (codes, scale, zero) y = Add (x, q)"
    codes = np.array([5, 7], np.int32).reshape(1, 2, 1, 1)
    numbers = {"codes": codes, "scale": np.float32(0.5), "zero": np.int32(0)}
    model = build(body, numbers)
    (zero,) = (t for t in model.graph.initializer if t.name == "zero")
    zero.Clear()
    zero.name, zero.data_type = "zero", onnx.TensorProto.COMPLEX64
    zero.int32_data.append(3)
    refused(model, "")
