"""Runs a model a number of times in the guest: worker.py ort|litert MODEL RUNS."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

kind, path, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)


def noise(shape: Any, dtype: Any) -> Any:
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1, shape).astype(dtype)
    return rng.integers(-128, 128, shape).astype(dtype)


if kind == "ort":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it has a thread that runs at any time
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    dtype = {"tensor(float)": np.float32, "tensor(int8)": np.int8}[given.type]
    feed = {given.name: noise(given.shape, dtype)}
    for _ in range(runs):
        y = session.run(None, feed)[0]
else:
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    given, wanted = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(given["index"], noise(given["shape"], given["dtype"]))
    for _ in range(runs):
        interpreter.invoke()
    y = interpreter.get_tensor(wanted["index"])
print(y.shape, y.dtype, y.min(), y.max())
