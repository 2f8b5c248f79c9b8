"""One model in ONNX Runtime, in a process of its own: a line in, the nanoseconds of one run out.

    python ort_worker.py MODEL.onnx

It stands alone, so that a changed copy of ONNX Runtime can be put before it on PYTHONPATH.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import onnxruntime


def main() -> None:
    """Serve runs until the input ends."""
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
