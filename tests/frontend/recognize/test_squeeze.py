"""A Squeeze without axes is refused where the batch may be 1."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph


def model(batch: str, axes: str = "") -> onnx.ModelProto:
    return onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 17]>
        net (float[{batch},3,4,4] x) => (float[{batch},3] y)
        <float[3,3,1,1] w, int64[2] axes = {{2, 3}}>
        {{ c = Conv (x, w) p = GlobalAveragePool (c) y = Squeeze (p{axes}) }}"""
    )


def loaded(batch: str, axes: str, tmp_path) -> object:
    net = model(batch, axes)
    weight = onnx.numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")
    kept = [i for i in net.graph.initializer if i.name != "w"]
    del net.graph.initializer[:]
    net.graph.initializer.extend([*kept, weight])
    onnx.save(net, tmp_path / "net.onnx")
    return load_graph(tmp_path / "net.onnx")


def test_an_open_batch_needs_axes(tmp_path) -> None:
    with pytest.raises(CompileError, match="Squeeze without axes"):
        loaded("N", "", tmp_path)
    loaded("N", ", axes", tmp_path)


def test_a_fixed_batch_may_do_without(tmp_path) -> None:
    loaded("2", "", tmp_path)
