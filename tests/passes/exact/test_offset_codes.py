"""Networks of QONNX and QDQ quantizers: signed codes, alternating ties, 255 thresholds, proved."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program import Conv
from tests.frontend.networks import build
from tests.frontend.recognize import test_qdq, test_qonnx


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("source", [test_qonnx, test_qdq])
def test_every_table_is_proved(source: object, seed: int) -> None:
    """Convolutions of codes below zero: the offset reaches the accumulator through the padding."""
    graph = load_graph(source.network(seed))  # type: ignore[attr-defined]
    program = compile_graph(graph)
    proofs = prove_tables(graph, program)
    assert len(proofs) == 3
    assert all(proof.values > 0 and not proof.mismatches for proof in proofs)
    convs = [op for op in program.ops if op.mnemonic == "conv"]
    assert any(getattr(op, "pad_value", 0) for op in convs)


@pytest.mark.parametrize(("mean", "exact"), [(300.0, True), (1.275e22, False)])
def test_pixels_whose_mean_is_far_from_all_of_them(mean: float, exact: bool) -> None:
    """What stands outside the map is the mean itself: a code outside its own range, or none."""
    codes = np.random.default_rng(0).choice([-1, 1], (4, 2, 3, 3)).astype(np.int8)
    model = build(
        "c = Cast <to = 1> (x) s = Sub (c, mean) w = DequantizeLinear (codes, half) "
        "y = Conv <pads = [1, 1, 1, 1]> (s, w)",
        {"mean": np.float32(mean), "codes": codes, "half": np.float32(0.5)},
        x="uint8[N,2,4,4] x",
    )
    program = compile_graph(load_graph(model))
    (conv,) = (op for op in program.ops if isinstance(op, Conv))
    assert (conv.pad_value == mean) == exact
