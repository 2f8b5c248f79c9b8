"""Outputs of an ONNX file in its own arithmetic, computed by its reference software."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Outputs = tuple[NDArray[Any], str]

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


class NotRun(Exception):
    """The file cannot be run on these images; the message says why."""


def run_as_exported(model: Path, images: NDArray[Any]) -> Outputs:
    """Return the file's outputs, float64 (N, ...), and the name of the software.

    Standard operators run in ONNX Runtime in the precision of the file, or, where it has no kernel
    (for many float64 operators), in ONNX's reference evaluator. QONNX's operators run in the
    `qonnx` package, which defines them.

    Args:
        model: an ONNX file.
        images: (N, C, H, W), real.

    Raises:
        NotRun: the software is not installed, or cannot run the file on these images.
    """
    import onnx

    proto = onnx.load(model, load_external_data=False)
    domains = {node.domain for node in proto.graph.node}
    if any(domain.startswith(("qonnx.", "finn.", "onnx.brevitas")) for domain in domains):
        return _qonnx(model, images)
    try:
        return _onnxruntime(model, images)
    except NotRun:
        if proto.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.DOUBLE:
            raise
    return _evaluator(model, images)


def _installed(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise NotRun(f"the package {package} is not installed")


def _pieces(images: NDArray[Any], batch: object) -> list[NDArray[Any]]:
    """Split the images into batches of the size that a file states, or of 32."""
    size = batch if isinstance(batch, int) and batch > 0 else None
    if size is not None and len(images) % size:
        raise NotRun(f"{len(images)} images do not fill its batches of {size}")
    step = size or 32
    return [images[k : k + step] for k in range(0, len(images), step)]


def _onnxruntime(model: Path, images: NDArray[Any]) -> Outputs:
    _installed("onnxruntime")
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        (source,) = session.get_inputs()
        if source.type not in _DTYPES:
            raise NotRun(f"ONNX Runtime is given no {source.type.removeprefix('tensor')} here")
        dtype = _DTYPES[source.type]
        outputs = [
            session.run(None, {source.name: piece.astype(dtype)})[0]
            for piece in _pieces(images, source.shape[0])
        ]
    except NotRun:
        raise
    except Exception as error:  # its exceptions have no common base class
        raise NotRun(f"ONNX Runtime does not run it: {_first_line(error)}") from None
    return np.concatenate(outputs).astype(np.float64), f"ONNX Runtime, {dtype}"


def _evaluator(model: Path, images: NDArray[Any]) -> Outputs:
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator

    proto = onnx.load(model)
    source = proto.graph.input[0]
    pieces = _pieces(images, source.type.tensor_type.shape.dim[0].dim_value)
    try:
        runner: Any = ReferenceEvaluator(proto)
        outputs = [runner.run(None, {source.name: p.astype(np.float64)})[0] for p in pieces]
    except Exception as error:  # its operators raise any exception
        raise NotRun(f"ONNX's evaluator does not run it: {_first_line(error)}") from None
    return np.concatenate(outputs), "ONNX's evaluator, float64"


def _qonnx(model: Path, images: NDArray[Any]) -> Outputs:
    _installed("qonnx")
    import numpy as np
    import onnx

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from qonnx.core.modelwrapper import ModelWrapper
            from qonnx.core.onnx_exec import execute_onnx
            from qonnx.transformation.infer_shapes import InferShapes

            proto = onnx.load(model)
            source, result = proto.graph.input[0], proto.graph.output[0].name
            batch = source.type.tensor_type.shape.dim[0]
            pieces = _pieces(images, batch.dim_value or len(images))
            _fix_sizes(proto, pieces[0].shape)
            wrapped = ModelWrapper(proto).transform(InferShapes())
            for piece in pieces:
                outputs = execute_onnx(wrapped, {source.name: piece.astype(np.float32)})
                found.append(outputs[result])
        except NotRun:
            raise
        except Exception as error:  # its operators raise any exception
            raise NotRun(f"qonnx does not run it: {_first_line(error)}") from None
    return np.concatenate(found).astype(np.float64), "qonnx, float32"


def _fix_sizes(proto: onnx.ModelProto, shape: tuple[int, ...]) -> None:
    """Make the shape of the input static; all other shapes are inferred."""
    for size, dim in zip(shape, proto.graph.input[0].type.tensor_type.shape.dim, strict=True):
        dim.dim_value = size
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    del proto.graph.value_info[:]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
