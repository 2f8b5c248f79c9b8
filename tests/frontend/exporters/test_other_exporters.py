"""Graphs as tf2onnx and onnxsim write them, by hand: channels last with Transposes around what ONNX
has channels first only, activations and norms taken apart, shapes folded.
"""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.passes import compile_graph
from n2uqc.passes.program import quantize_input, real_output, run
from tests.frontend.networks import build, check_same, images, ladder, run_onnx, rungs

RNG = np.random.default_rng(8)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(0, 1 / np.sqrt(np.prod(shape[1:]) or 1), shape).astype(np.float32)


FIRST = "<perm = [0, 3, 1, 2]>"
LAST = "<perm = [0, 2, 3, 1]>"
STEM = f'xt = Transpose {FIRST} (x) c0 = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (xt, W) '
P = {
    "axes23": np.int64([2, 3]),
    "W": normal(8, 3, 3, 3),
    "V": normal(8, 8, 3, 3),
    "D": normal(8, 1, 3, 3),
    "S": normal(4, 8, 1, 1),
    "E": normal(8, 4, 1, 1),
    "M": normal(8, 5),
    "b5": normal(5),
    "gamma": normal(8, 1, 1) + 1,
    "beta": normal(8, 1, 1),
    "nhwc": normal(8) + 1,
    "shift": normal(8),
    "zero": np.float32(0),
    "six": np.float32(6),
    "three": np.float32(3),
    "sixth": np.float32(1 / 6),
    "s": normal(1, 1, 1, 4),
    "pads": np.int64([0, 1, 0, 0, 0, 0, 1, 0]),
    "two": np.float32([1, 2, 2, 1]),
    "F": normal(96, 5),
    "open": np.int64([-1, 96]),
    "one": np.int64([1]),
    "space": np.int64([1, 2]),
    "half": np.int64([4, 4]),
    "mean": np.float32([120, 110, 100]),
    "scale": np.float32(127.5),
    "unit": np.float32(1),
    "up": np.float32([1, 1, 2, 2]),
    "rest": np.int64([-1]),
    "k0": np.int64([0]),
    "G": normal(8, 8, 1, 1),
    **rungs([0.25, 0.75, 1.5], [0, 1, 2, 3]),
}
GRAPHS = {
    "MobileNet of Keras": STEM
    + f"t0 = Transpose {LAST} (c0) m0 = Mul (t0, nhwc) a0 = Add (m0, shift) "
    + "lo = Max (a0, zero) r0 = Min (lo, six) "
    + ladder(3, x="r0", top="q0")
    + f"t1 = Transpose {FIRST} (q0) "
    + 'd = Conv <auto_pad = "SAME_UPPER", group = 8> (t1, D) '
    + "bn = Mul (d, gamma) bb = Add (bn, beta) "
    + f"r1 = Clip (bb, zero, six) t2 = Transpose {LAST} (r1) "
    + "g = ReduceMean <axes = [1, 2], keepdims = 0> (t2) mm = MatMul (g, M) y = Add (mm, b5)",
    "hard swish and gate, channels last": STEM
    + f"t0 = Transpose {LAST} (c0) p3 = Add (t0, three) u = Clip (p3, zero, six) w = Mul (t0, u) "
    + "h = Mul (w, sixth) g = ReduceMean <axes = [1, 2], keepdims = 1> (h) "
    + f"g1 = Transpose {FIRST} (g) g2 = Conv (g1, S) gt = Transpose {LAST} (g2) g3 = Add (gt, s) "
    + f"gr = Relu (g3) g4 = Transpose {FIRST} (gr) g5 = Conv (g4, E) g6 = Transpose {LAST} (g5) "
    + f"g7 = Sigmoid (g6) o = Mul (h, g7) ot = Transpose {FIRST} (o) y = Conv (ot, V)",
    "padding of its own, pooled and squeezed": STEM
    + f"t0 = Transpose {LAST} (c0) pd = Pad (t0, pads) t1 = Transpose {FIRST} (pd) "
    + "c1 = Conv <dilations = [2, 2], pads = [2, 2, 2, 2]> (t1, V) "
    + "l = LeakyRelu <alpha = 0.2> (c1) "
    + "gp = GlobalAveragePool (l) sq = Squeeze (gp, axes23) y = Gemm (sq, M, b5)",
    "flattened channels last": STEM
    + f"r = Relu (c0) t = Transpose {LAST} (r) f = Reshape (t, open) "
    + "m = MatMul (f, F) y = Add (m, b5)",
    "joined and split on the last axis": STEM
    + f"t = Transpose {LAST} (c0) a, b = Split <axis = 3> (t, half) n = Relu (b) "
    + "j = Concat <axis = -1> (n, a) "
    + f"ct = Transpose {FIRST} (j) y = Conv <pads = [1, 1, 1, 1]> (ct, V)",
    "resized channels last": STEM
    + f"t = Transpose {LAST} (c0) tt = Transpose {FIRST} (t) "
    + 'z = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", '
    + f'nearest_mode = "floor"> (tt, , up) zt = Transpose {LAST} (z) za = Relu (zt) '
    + f"zf = Transpose {FIRST} (za) y = Conv <pads = [1, 1, 1, 1]> (zf, V)",
    "preprocessing in the file": "n0 = Div (x, scale) n1 = Sub (n0, unit) "
    + f"n2 = Transpose {FIRST} (n1) y = Conv <pads = [1, 1, 1, 1]> (n2, W)",
    "shape of the batch by Shape and Gather": STEM
    + f"r = Relu (c0) t = Transpose {LAST} (r) sh = Shape (t) n = Slice (sh, k0, one) "
    + "to = Concat <axis = 0> (n, rest) f = Reshape (t, to) m = MatMul (f, F) y = Add (m, b5)",
}


@pytest.mark.parametrize("batch", ["N", "1"])
@pytest.mark.parametrize("name", GRAPHS)
def test_tf2onnx_and_onnxsim(name: str, batch: str) -> None:
    """Batches that are open, as tf2onnx leaves them, and fixed, as onnxsim makes them."""
    body = GRAPHS[name]
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    model = build(body, {k: v for k, v in P.items() if k in words}, x=f"float[{batch},8,6,3] x")
    program = compile_graph(check_same(model, 1e-4))
    x = images(model)
    got = real_output(program, run(program, quantize_input(program, x)))
    want = run_onnx(model, x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=1e-3 * want.std())
