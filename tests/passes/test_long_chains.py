"""Networks of thousands of nodes in a row: work grows with the nodes, and numbers stay finite."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes import load
from n2uqc.passes.program import Program

from ..frontend.networks import build

GROWS = 5.0
"""How many times the calls four times the nodes may take."""

LINKS = {
    "sums": "v{0} = Add (v{1}, small) ",
    "activations": "v{0} = Relu (v{1}) ",
    "both": "u{0} = Add (v{1}, small) v{0} = Relu (u{0}) ",
    "clips": "v{0} = Clip (v{1}, low, high) ",
    "residuals": "c{0} = MatMul (v{1}, W) v{0} = Add (c{0}, v{1}) ",
    "quantized": "q{0} = QuantizeLinear (v{1}, s, z) d{0} = DequantizeLinear (q{0}, s, z) "
    "v{0} = MatMul (d{0}, W) ",
}
NUMBERS = {
    "small": np.float32(1e-3),
    "low": np.float32(0),
    "high": np.float32(3),
    "W": np.eye(4) / 2,
    "s": np.float32(0.25),
    "z": np.uint8(0),
}


def chain(link: str, length: int, **numbers: object) -> onnx.ModelProto:
    body = "v0 = Identity (x) " + "".join(link.format(k, k - 1) for k in range(1, length + 1))
    used = {name: value for name, value in {**NUMBERS, **numbers}.items() if name in body}
    return build(f"{body} y = Identity (v{length})", used, x="float[N,4] x")


def loaded(model: onnx.ModelProto, folder: Path) -> Program:
    path = folder / "chain.onnx"
    onnx.save(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return load(path)


def calls(work: Callable[[], object]) -> int:
    """Functions called, Python's and C's: a count that no other load on the machine changes."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event.endswith("call")

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_work_grows_with_the_nodes(link: str, tmp_path: Path) -> None:
    few, many = chain(link, 24), chain(link, 96)
    loaded(few, tmp_path)  # what is imported and remembered once
    assert calls(lambda: loaded(many, tmp_path)) < GROWS * calls(lambda: loaded(few, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sums", "activations", "quantized"])
def test_work_grows_with_thousands_of_nodes(link: str, tmp_path: Path) -> None:
    few, many = (chain(LINKS[link], length) for length in (2_000, 8_000))
    assert calls(lambda: loaded(many, tmp_path)) < GROWS * calls(lambda: loaded(few, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("link", ["sums", "activations"])
def test_twenty_thousand_nodes(link: str, tmp_path: Path) -> None:
    program = loaded(chain(LINKS[link], 20_000), tmp_path)
    x = np.full((1, 4), 0.5, np.float32)
    want = x + (20.0 if link == "sums" else 0.0)
    np.testing.assert_allclose(program(x), want, rtol=2e-4)


SHRINKING = (
    "v{0} = MatMul (v{1}, W) ",
    LINKS["residuals"],
    "m{0} = Mul (v{1}, small) v{0} = Relu (m{0}) ",
)


@pytest.mark.parametrize("link", SHRINKING, ids=["layers", "residuals", "maps"])
@pytest.mark.parametrize("size", [1e-30, 1e-3])
def test_values_that_vanish(link: str, size: float, tmp_path: Path) -> None:
    """Many small layers leave nothing that float32 could hold: the result is 0, not a crash."""
    model = chain(link, 120, W=size * np.ones((4, 4)), small=np.float32(size))
    x = np.array([[0.5, 0.25, -0.75, 1]], np.float32)
    program = loaded(model, tmp_path)
    layer = size * np.ones((4, 4)) + (np.eye(4) if link == LINKS["residuals"] else 0)
    want = x @ np.linalg.matrix_power(layer, 120)
    np.testing.assert_allclose(program(x), want, atol=1e-3)


def test_values_that_grow_without_end(tmp_path: Path) -> None:
    model = chain("v{0} = MatMul (v{1}, W) ", 600, W=np.ones((4, 4)))
    with pytest.raises(CompileError, match=r"values that may pass 1e\+150"):
        loaded(model, tmp_path)


def test_bounds_beyond_64_bits_cut_nothing_off(tmp_path: Path) -> None:
    far = {"low": np.float32(-1e20), "high": np.float32(3e38)}
    program = loaded(chain("v{0} = Clip (v{1}, low, high) ", 2, **far), tmp_path)
    x = np.array([[0.5, 0.25, -0.75, 1]], np.float32)
    np.testing.assert_allclose(program(x), x, atol=1e-4)
