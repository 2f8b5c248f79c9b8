"""Ordinary networks against ONNX's own evaluator: no refusal, no fault, outputs in their bound."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.checks.evaluate import deviation, reference
from n2uqc.passes.checks.network import hold
from n2uqc.passes.checks.prove import prove_tables
from n2uqc.passes.program.boundary import in_model_order

from .ordinary import ordinary_networks
from .truth import Ordinary

OPTIONS = Options()


def beyond_the_truth(model: onnx.ModelProto) -> bool:
    """Tell whether ONNX's evaluator (1.23) fails: maxima of sequences with uneven padding."""
    pools = [{a.name: list(a.ints) for a in n.attribute} for n in model.graph.node
             if n.op_type == "MaxPool"]  # fmt: skip
    return any(len(set(pool.get("pads", []))) > 1 == len(pool["kernel_shape"]) for pool in pools)


def check(case: Ordinary, options: Options = OPTIONS) -> None:
    if beyond_the_truth(case.proto):
        return
    want = case.outputs()
    graph = load_graph(case.proto)
    program = compile_graph(graph, options)
    assert not [m for proof in prove_tables(graph, program) for m in proof.mismatches]
    held = hold(reference(graph, options), program, case.images)
    assert not any(row.wrong for row in held.rows), held.rows
    found = deviation(reference(graph, options), program, case.images)
    scale = max(1.0, float(np.abs(want).max()))
    port = program.interface.output
    exact = in_model_order(port, found.exact[port.name])
    assert exact.shape == want.shape
    if any(row.undecided for row in found.layers) or case.ties():
        return
    np.testing.assert_allclose(exact, want, atol=1e-9 * scale)
    if any(row.flips for row in found.layers):
        return  # `hold` has judged each by itself; outputs follow from it
    np.testing.assert_allclose(program(case.images), want, atol=found.logit_bound + 1e-9 * scale)


@settings(max_examples=30, deadline=None)
@given(ordinary_networks())
def test_ordinary_networks(case: Ordinary) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(case)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(ordinary_networks(most=14))
def test_many_ordinary_networks(case: Ordinary) -> None:
    check(case)
