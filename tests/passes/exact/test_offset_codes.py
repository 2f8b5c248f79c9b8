"""Networks of QONNX and QDQ quantizers: signed codes, alternating ties, 255 thresholds, proved."""

from __future__ import annotations

import pytest

from n2uqc.frontend.load import load_graph
from n2uqc.passes import compile_graph
from n2uqc.passes.checks.prove import prove_tables
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
