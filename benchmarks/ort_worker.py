"""A process that runs a model in ONNX Runtime:
for each input line it prints the nanoseconds of a run.

    python ort_worker.py MODEL.onnx

It imports nothing else, so that PYTHONPATH can select a changed copy of ONNX Runtime.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnxruntime


def main() -> None:
    """Run the model for each line until the input ends."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(sys.argv[1], options, ["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    x = np.random.default_rng(0).normal(0, 1, given.shape).astype(np.float32)
    session.run(None, {given.name: x})
    print(onnxruntime.__version__, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter_ns()
        session.run(None, {given.name: x})
        print(time.perf_counter_ns() - start, flush=True)


if __name__ == "__main__":
    main()
