"""Maps that no driver, chip or simulation can hold: one error that says sizes, nothing built."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from ..frontend.networks import build
from .conftest import Command

SIZE = {"cortex-m4": 20_000, "fpga": 6000, "host": 20_000, "armv7": 20_000}
FOUND = {
    "cortex-m4": "inputs, outputs and workspace take 3,199,680,080 bytes",
    "fpga": "107,952,008 words of FIFOs",
    "host": "inputs, outputs and workspace take 3,199,680,080 bytes",
    "armv7": "inputs, outputs and workspace take 3,199,680,080 bytes",
}


@pytest.mark.parametrize("target", FOUND)
def test_what_cannot_fit_is_refused(target: str, command: Command, tmp_path: Path) -> None:
    size = SIZE[target]
    model = build(
        "y = Conv <kernel_shape = [3, 3]> (x, W)",
        {"W": np.ones((1, 1, 3, 3))},
        x=f"float[1,1,{size},{size}] x",
    )
    onnx.save(model, tmp_path / "m.onnx")
    result = command("compile", tmp_path / "m.onnx", "--target", target, "-o", tmp_path / "out")
    assert result.status == 2
    assert FOUND[target] in result.err
    assert result.err.count("error:") == 1
    assert "relocation" not in result.err
    assert not (tmp_path / "out").exists()


def test_verify_draws_fewer_large_images(command: Command, tmp_path: Path) -> None:
    model = build(
        "y = Conv <kernel_shape = [3, 3], strides = [8, 8]> (x, W)",
        {"W": np.ones((1, 1, 3, 3))},
        x="float[1,1,4100,4100] x",
    )
    onnx.save(model, tmp_path / "m.onnx")
    result = command("verify", tmp_path / "m.onnx", "--executors", "interpreter", "--json")
    facts = json.loads(result.out)
    assert (facts["input"]["samples"], facts["network"]["drawn"]) == (3, 1)
