"""Program text before and after every pass, for one small residual network.

After an intended change, N2UQC_GOLDEN=write rewrites the files; read the difference before
committing it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes import PIPELINE, Options
from n2uqc.passes.importing.from_graph import import_graph
from n2uqc.passes.pass_manager import run_passes
from n2uqc.passes.program import Program, dump, parse

from ..properties.builder import NetworkBuilder
from ..recorded import REWRITING

GOLDEN = Path(__file__).parent.parent / "golden"
F32 = np.float32


class Tidy(NetworkBuilder):
    """Parameters of few digits, so that the text stays readable.

    What it draws is its own: the files change with the passes, not with what random networks draw.
    """

    def row(self, channels: int, low: float, high: float) -> np.ndarray:
        return (np.round(super().row(channels, low, high) * 8) / 8).astype(F32)

    def sign(self) -> int:
        return 1

    def odd_conv(self, x: str, out: int, bits: int) -> str:
        """A 3x3 convolution by odd codes."""
        c, h, w = self.shape[x]
        shape, top = (out, c, 3, 3), 2**bits - 1
        codes = (2 * self.rng.integers(0, top + 1, shape) - top).astype(np.int8)
        inputs = [self.array(codes), self.array(self.row(out, 0.1, 1.0).astype(np.float64))]
        weight = self.node("Weight", inputs, shape, divisor=2 * top, bits=bits)
        return self.node("Conv", [x, weight], (out, h, w), pads=[1] * 4)

    def block(self, x: str, out: int, bits: int) -> str:
        """A residual block of two quantized layers."""
        y = x
        for _ in range(2):
            y = self.quantize(self.bias(self.prelu(self.bias(y))), bits)
            y = self.batchnorm(self.odd_conv(y, out, bits), 3.0)
        return self.bias(self.prelu(self.bias(self.add(y, x))))


def network() -> Program:
    b = Tidy(3, 1, 2)
    y = b.node("Relu", [b.batchnorm(b.conv("x", 2, bits=None, kernel=1))], (2, 2, 2))
    y = b.block(y, 2, bits=1)
    y = b.node("GlobalAveragePool", [y], (2, 1, 1))
    y = b.node("Flatten", [y], (2,))
    weight = np.array([[0.5, -1.0]], F32)
    y = b.node("Gemm", [y, b.array(weight), b.array(np.array([0.25], F32))], (1,), transB=1)
    return import_graph(b.model(y), "golden")


def stages() -> dict[str, str]:
    program = network()
    found = {"imported": dump(program)}
    run_passes(
        program,
        Options(),
        PIPELINE,
        lambda step, result, seconds: found.update({step.name: dump(result)}),
    )
    return found


@pytest.mark.parametrize("stage", ["imported", *(step.name for step in PIPELINE)])
def test_golden(stage: str) -> None:
    path = GOLDEN / f"{stage}.txt"
    text = stages()[stage]
    if REWRITING:
        path.write_text(text)
    assert text == path.read_text()
    assert dump(parse(text)) == text


def test_every_pass_says_what_it_does() -> None:
    assert all(step.summary.endswith(".") for step in PIPELINE)
    assert len({step.name for step in PIPELINE}) == len(PIPELINE)
