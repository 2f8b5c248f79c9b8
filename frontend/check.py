"""Checks of the whole model before any rewrite: one error lists all problems."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, RemoveUnusedNodesPass

from .attribute_values import check_attribute_values
from .branches import nested_graphs
from .channels_last_domain import channels_first
from .diagnostics import CompileError, Problem
from .functions import check_expansion, drop_uncalled
from .host_model import MOST_BATCH
from .precision import ROUNDOFF, as_float32
from .schemas import DOMAIN
from .upgrade import OLDEST, upgrade
from .wellformed import nested, node_name

OPSETS = range(OLDEST, 26)
"""Supported versions of the standard domain: the frontend knows what their operators mean."""

_ORT = "com.microsoft"
_CONTRIB = ("QuantizeLinear", "DequantizeLinear")
"""Operators that ONNX Runtime's domain has for 4- and 16-bit integers below opset 21; they mean the
same as the standard ones.
"""

_MOST_VERSION = 2**31 - 1

_BROKEN = "the file is not a valid ONNX model"


def to_graph(proto: onnx.ModelProto) -> ir.Model:
    """Validate a model and return it as onnx_ir: sorted, functions inlined, unused nodes removed.

    Args:
        proto: changed in place: the domain "ai.onnx" becomes "", as does that of `_CONTRIB`.

    Raises:
        CompileError: an unsupported opset, a value that is undefined or defined twice, a cycle, or
            a node that violates the definition of its operator.
    """
    inside = [part for f in proto.functions for part in (*f.opset_import, *f.node)]
    for part in (*proto.opset_import, *proto.graph.node, *inside):
        if part.domain == "ai.onnx":  # the long name of the standard domain
            part.domain = ""
        if isinstance(part, onnx.NodeProto) and part.domain == _ORT and part.op_type in _CONTRIB:
            part.domain = ""
    channels_first(proto)
    _check_opset(proto)
    _check_values(proto.graph)
    _check_nodes(proto)
    check_expansion(proto)
    drop_uncalled(proto)
    upgrade(proto)
    roundoff = as_float32(proto)
    try:
        model = ir.from_proto(proto)
    except Exception as error:  # malformed protobufs make onnx_ir raise anything
        raise CompileError(Problem("", "", f"{_BROKEN}: {_first_line(error)}")) from error
    for node in model.graph:
        if not node.name:
            node.name = str(node.outputs[0].name) if node.outputs else node.op_type
    model.meta[ROUNDOFF] = roundoff
    try:
        model.graph.sort()
    except ValueError as error:
        raise CompileError(_cycle(model.graph)) from error
    try:
        if model.functions:
            InlinePass()(model)
        RemoveUnusedNodesPass()(model)
    except Exception as error:  # as above, for functions
        raise CompileError(Problem("", "", f"{_BROKEN}: {_first_line(error)}")) from error
    _check_zero_points(model)
    return model


def _check_zero_points(model: ir.Model) -> None:
    """Refuse what ONNX has no meaning for: sums of 32 bits (biases) have no zero point."""
    problems = []
    for node in model.graph:
        if node.op_type != "DequantizeLinear" or node.domain or len(node.inputs) < 3:
            continue
        tensor = node.inputs[2].const_value if node.inputs[2] is not None else None
        if tensor is None or tensor.dtype != ir.DataType.INT32:
            continue  # others are not read yet: their types and contents may not fit
        zero = tensor.numpy()
        if zero.any():
            found = f"a zero point of {zero[zero != 0].flat[0]} for 32-bit integers"
            problems.append(Problem(str(node.name), node.op_type, found, "a zero point of 0"))
    if problems:
        raise CompileError(problems)


def _first_line(error: BaseException) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:  # onnx_ir gives the reason in the last cause
        cause = cause.__cause__
    text = str(cause).strip() or type(cause).__name__
    return text.splitlines()[0][:300]


def _check_opset(proto: onnx.ModelProto) -> None:
    if not 1 <= proto.ir_version <= _MOST_VERSION:
        found = f"IR version {proto.ir_version}"
        raise CompileError(Problem("", "", found, hint="the file is damaged: export it again"))
    for part in (proto, *proto.functions):
        given = Counter(entry.domain for entry in part.opset_import)
        for entry in part.opset_import:
            if not 0 <= entry.version <= _MOST_VERSION or given[entry.domain] > 1:
                where = f"of the domain '{entry.domain}'" if entry.domain else "of ONNX"
                found = f"version {entry.version} {where}, which is named {given[entry.domain]}x"
                raise CompileError(Problem("", "", found, "one version of each domain"))
    version = next((entry.version for entry in proto.opset_import if not entry.domain), None)
    supported = f"opset {OPSETS[0]} to {OPSETS[-1]}"
    if version is None:
        raise CompileError(Problem("", "", "the model names no ONNX opset", supported))
    if version not in OPSETS:
        hint = "export again with opset_version=17"
        raise CompileError(Problem("", "", f"opset {version}", supported, hint))


def _check_values(graph: onnx.GraphProto, outer: frozenset[str] = frozenset()) -> None:
    """Check that every value is defined once;
    branches may read values of the outer graph, `outer`.
    """
    inputs = {value.name for value in graph.input}
    given = [value.name for value in graph.input]
    given += [value.name for value in graph.initializer if value.name not in inputs]
    computed = [name for node in graph.node for name in node.output if name]
    known = frozenset({*outer, *given, *computed, ""})
    problems = [
        Problem(node_name(node), node.op_type, f"reads '{name}', which nothing computes")
        for node in graph.node
        for name in node.input
        if name not in known
    ]
    problems += [
        Problem("", "", f"the value '{name}' is defined {count} times")
        for name, count in Counter(given + computed).items()
        if count > 1
    ]
    problems += [
        Problem(value.name, "output", "nothing computes it")
        for value in graph.output
        if value.name not in known
    ]
    problems += [
        Problem(t.name, "initializer", f"has the shape {list(t.dims)}", "sizes of 0 or more")
        for t in graph.initializer
        if any(size < 0 for size in t.dims)
    ]
    problems += [
        Problem(value.values.name, "initializer", "is stored sparse", "dense parameters")
        for value in graph.sparse_initializer
    ]
    if problems:
        raise CompileError(problems)
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                _check_values(inner, known)


def _cycle(graph: ir.Graph) -> Problem:
    """Return the problem of a cyclic graph, found by removing nodes whose inputs are computed."""
    waiting = {
        node: {v.producer() for v in node.inputs if v is not None and v.producer() is not None}
        for node in graph
    }
    ready = [node for node, before in waiting.items() if not before]
    while ready:
        node = ready.pop()
        waiting.pop(node, None)
        for output in node.outputs:
            for reader in output.consumers():
                if reader in waiting:
                    waiting[reader].discard(node)
                    if not waiting[reader]:
                        ready.append(reader)
    names = ", ".join(f"'{node.name}'" for node in list(waiting)[:5])
    first = next(iter(waiting), None)
    return Problem(
        str(first.name) if first else "",
        first.op_type if first else "",
        f"the graph is cyclic: {names} wait for each other",
        "an acyclic graph",
    )


def _check_nodes(proto: onnx.ModelProto) -> None:
    """Check that every standard node has the attributes and number of inputs of its definition."""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = proto.ir_version
    problems = []
    for part in (proto, *proto.functions):
        context.opset_imports = {entry.domain: entry.version for entry in part.opset_import}
        for node in nested(part.graph.node if isinstance(part, onnx.ModelProto) else part.node):
            if node.domain == DOMAIN:
                found = f"a node of the domain '{DOMAIN}': the file is not a network as exported"
                problems.append(
                    Problem(node_name(node), node.op_type, found, hint="give that network")
                )
            if node.domain or any(nested_graphs([node])):
                continue  # reported as unsupported later; the checker does not know outer values
            problems += check_attribute_values(node)
            try:
                onnx.checker.check_node(node, context)
            except Exception as error:  # ValidationError, or RuntimeError on broken attributes
                found = f"against its definition: {_first_line(error)}"
                problems.append(Problem(node_name(node), node.op_type, found))
    if problems:
        raise CompileError(problems)


def check_interface(model: ir.Model) -> None:
    """Check for float32 inputs [N,…], outputs that are named once, and finite parameters.

    Inputs of bytes have become float32 ones: `pixel_inputs`. Old files list parameters as inputs
    too; these count as parameters only.

    Raises:
        CompileError: lists all problems.
    """
    graph = model.graph
    for value in [v for v in graph.inputs if v.is_initializer()]:
        graph.inputs.remove(value)
    problems: list[Problem] = []
    for what, values in (("input", graph.inputs), ("output", graph.outputs)):
        if not values:
            problems.append(Problem("", "", f"no {what}s", f"at least one {what}"))
    problems += [
        Problem(name, "output", f"listed {count} times", "each output once")
        for name, count in Counter(str(value.name) for value in graph.outputs).items()
        if count > 1
    ]
    parameters = [value for value in graph.inputs if _is_parameter(value)]
    if parameters:
        names = ", ".join(f"'{v.name}'" for v in parameters[:5])
        found = (
            f"inputs that are parameters of layers: {names}{', …' if len(parameters) > 5 else ''}"
        )
        hint = "export the network with its parameters (export_params=True)"
        problems.append(Problem("", "", found, "parameters in the file", hint))
    else:
        for value in graph.inputs:
            problems += _check_image(value)
    problems += _check_parameters(graph)
    if problems:
        raise CompileError(problems)


_WITH_PARAMETERS = {
    "Conv": {1, 2},
    "ConvTranspose": {1, 2},
    "Gemm": {1, 2},
    "BatchNormalization": {1, 2, 3, 4},
}
"""Inputs of standard operators that are parameters in every network."""


def _is_parameter(value: ir.Value) -> bool:
    return any(
        use.node.domain == "" and use.idx in _WITH_PARAMETERS.get(use.node.op_type, ())
        for use in value.uses()
    )


def _check_image(value: ir.Value) -> list[Problem]:
    name, problems = str(value.name), []
    if value.dtype != ir.DataType.FLOAT:
        found = f"element type {value.dtype.name if value.dtype is not None else 'unknown'}"
        supported = "float32, float64 or half precision; uint8 that a Cast makes float32"
        hint = "export the float network: other integer inputs are not read"
        problems.append(Problem(name, "input", found, supported, hint))
    fixed = "images [N,C,H,W], sequences [N,C,L] or features [N,F] of fixed size; N may be dynamic"
    shape = value.shape
    if shape is None or len(shape) not in (2, 3, 4):
        found = "unknown shape" if shape is None else f"shape {_text(shape)}"
        problems.append(Problem(name, "input", found, fixed))
    elif any(not isinstance(d, int) or d < 1 for d in list(shape)[1:]):
        hint = "export with dynamic axis 0 only, or give the sizes: --input-shape C,H,W"
        problems.append(Problem(name, "input", f"shape {_text(shape)}", fixed, hint))
    elif isinstance(batch := shape[0], int) and not 1 <= batch <= MOST_BATCH:
        hint = "export with dynamic axis 0"
        supported = f"a batch of 1 to {MOST_BATCH}, or of any size"
        problems.append(Problem(name, "input", f"batch {batch}", supported, hint))
    return problems


def _text(shape: ir.Shape) -> str:
    return f"[{','.join(str(d) if isinstance(d, int) else d.value or '?' for d in shape)}]"


def _check_parameters(graph: ir.Graph) -> list[Problem]:
    """Return a problem for each parameter that cannot be read or is not finite."""
    problems = []
    for value in graph.initializers.values():
        if not (readers := value.consumers()) or value.const_value is None:
            continue
        node = readers[0]
        try:
            array = value.const_value.numpy()
        except Exception as error:  # raw data shorter than its shape says, and the like
            found = f"parameter '{value.name}' cannot be read: {_first_line(error)}"
            problems.append(Problem(str(node.name), node.op_type, found))
            continue
        if array.dtype.kind in "cOSU":  # numpy would drop imaginary parts
            held = "complex numbers" if array.dtype.kind == "c" else "text"
            found = f"parameter '{value.name}' holds {held}"
            problems.append(Problem(str(node.name), node.op_type, found, "real numbers"))
            continue
        if array.dtype.kind != "f":
            continue
        # A clip may be unbounded, and a maximum padded with -infinity.
        bounds = all(r.op_type in ("Clip", "Pad") for r in readers)
        finite = ~np.isnan(array) if bounds else np.isfinite(array)
        if not finite.all():
            place = [int(i) for i in np.argwhere(~finite)[0]]
            found = (
                f"parameter '{value.name}' holds {int((~finite).sum())} NaN or infinite "
                f"values, the first at {place}"
            )
            hint = "the training diverged, or the file is damaged"
            problems.append(Problem(str(node.name), node.op_type, found, "finite numbers", hint))
    return problems
