"""Outputs of a network in its own arithmetic, computed by its reference software."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from n2uqc.frontend.source import Source

    Named = Mapping[str, NDArray[Any]]
    Outputs = tuple[dict[str, NDArray[Any]], str]

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
_DTYPES["tensor(uint8)"] = "uint8"


class NotRun(Exception):
    """The file cannot be run on these images; the message says why."""


def run_as_exported(model: Source, images: Named) -> Outputs:
    """Return the network's outputs by name, float64 (N, ...), and the name of the software.

    Standard operators run in ONNX Runtime in the precision of the file, or, where it has no kernel
    (for many float64 operators), in ONNX's reference evaluator. QONNX's operators run in the
    `qonnx` package, which defines them.

    Args:
        model: the network.
        images: (N, C, H, W), real, by the names of inputs.

    Raises:
        NotRun: the software is not installed, or cannot run the file on these images.
    """
    import onnx

    from n2uqc.frontend.read import read_model

    proto = read_model(model)
    domains = {node.domain for node in proto.graph.node}
    if any(domain.startswith(("qonnx.", "finn.", "onnx.brevitas")) for domain in domains):
        return _qonnx(proto, images)
    try:
        return _onnxruntime(model, proto, images)
    except NotRun:
        if proto.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.DOUBLE:
            raise
    return _evaluator(proto, images)


def _installed(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise NotRun(f"the package {package} is not installed")


def _pieces(images: Named, batch: object) -> list[dict[str, NDArray[Any]]]:
    """Split the images into batches of the size that a file states, or of 32."""
    size = batch if isinstance(batch, int) and batch > 0 else None
    count = len(next(iter(images.values())))
    if size is not None and count % size:
        raise NotRun(f"{count} images do not fill its batches of {size}")
    step = size or 32
    return [
        {name: value[k : k + step] for name, value in images.items()} for k in range(0, count, step)
    ]


def _joined(names: list[str], pieces: Iterable[Iterable[Any]]) -> dict[str, NDArray[Any]]:
    """Return outputs by name of the outputs of all pieces."""
    import numpy as np

    columns = zip(*pieces, strict=True)
    return {
        name: np.concatenate(column).astype(np.float64)
        for name, column in zip(names, columns, strict=True)
    }


def _onnxruntime(model: Source, proto: onnx.ModelProto, images: Named) -> Outputs:
    _installed("onnxruntime")
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        # a file's external data are found beside it
        given = (
            os.fspath(model) if isinstance(model, str | os.PathLike) else proto.SerializeToString()
        )
        session = ort.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        sources = session.get_inputs()
        for source in sources:
            if source.type not in _DTYPES:
                raise NotRun(f"ONNX Runtime is given no {source.type.removeprefix('tensor')} here")
        dtypes = {source.name: _DTYPES[source.type] for source in sources}
        outputs = [
            session.run(None, {n: v.astype(dtypes[n]) for n, v in piece.items() if n in dtypes})
            for piece in _pieces(images, sources[0].shape[0])
        ]
        names = [str(output.name) for output in session.get_outputs()]
    except NotRun:
        raise
    except Exception as error:  # its exceptions have no common base class
        raise NotRun(f"ONNX Runtime does not run it: {_first_line(error)}") from None
    used = ", ".join(dict.fromkeys(d for d in dtypes.values() if d != "uint8")) or "float32"
    return _joined(names, outputs), f"ONNX Runtime, {used}"


def _evaluator(proto: onnx.ModelProto, images: Named) -> Outputs:
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    source = proto.graph.input[0]
    pieces = _pieces(images, source.type.tensor_type.shape.dim[0].dim_value)
    try:
        runner: Any = ReferenceEvaluator(proto)
        outputs = [
            runner.run(None, {name: v.astype(np.float64) for name, v in piece.items()})
            for piece in pieces
        ]
    except Exception as error:  # its operators raise any exception
        raise NotRun(f"ONNX's evaluator does not run it: {_first_line(error)}") from None
    names = [output.name for output in proto.graph.output]
    return _joined(names, outputs), "ONNX's evaluator, float64"


def _qonnx(proto: onnx.ModelProto, images: Named) -> Outputs:
    _installed("qonnx")
    import numpy as np

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from qonnx.core.modelwrapper import ModelWrapper
            from qonnx.core.onnx_exec import execute_onnx
            from qonnx.transformation.infer_shapes import InferShapes

            source = proto.graph.input[0]
            names = [output.name for output in proto.graph.output]
            batch = source.type.tensor_type.shape.dim[0]
            pieces = _pieces(images, batch.dim_value or len(next(iter(images.values()))))
            _fix_sizes(proto, {name: value.shape for name, value in pieces[0].items()})
            wrapped = ModelWrapper(proto).transform(InferShapes())
            for piece in pieces:
                given = {name: value.astype(np.float32) for name, value in piece.items()}
                outputs = execute_onnx(wrapped, given)
                found.append([outputs[name] for name in names])
        except NotRun:
            raise
        except Exception as error:  # its operators raise any exception
            raise NotRun(f"qonnx does not run it: {_first_line(error)}") from None
    return _joined(names, found), "qonnx, float32"


def _fix_sizes(proto: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Make the shapes of the inputs static; all other shapes are inferred."""
    for value in proto.graph.input:
        sizes = shapes.get(value.name, ())
        for size, dim in zip(sizes, value.type.tensor_type.shape.dim, strict=bool(sizes)):
            dim.dim_value = size
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    del proto.graph.value_info[:]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
