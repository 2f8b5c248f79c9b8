"""Tensors that are empty, or that no processor could hold; and long networks."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.load import load_graph
from n2uqc.passes.importing import builder
from n2uqc.passes.pipeline import compile_graph
from tests.calls import count_calls
from tests.frontend.networks import build, check_same, refused


@pytest.mark.parametrize(
    ("x", "body", "words"),
    [
        ("float[N,3,40000,40000] x", "y = Relu (x)", "a tensor of 4,800,000,000 numbers"),
        ("float[N,4,6000,6000] x", "y = Flatten (x)", "a row of 144,000,000 features"),
        ("float[N,1099511627776] x", "y = Relu (x)", "a tensor of 1,099,511,627,776 numbers"),
        ("float[N,2,4,4] x", "y = Conv (x, W)", "an empty tensor: 'y' has the shape [2, 0, 4, 4]"),
        ("float[N,2,4,4] x", "p = Pad (x, crop) y = Relu (p)", "an empty tensor: 'p'"),
        ("float[N,2,4,4] x", "p = Pad (x, below) y = Relu (p)", "an empty tensor: 'p'"),
    ],
)
def test_tensors_that_cannot_be(x: str, body: str, words: str) -> None:
    parameters = {
        "W": np.zeros((0, 2, 1, 1), np.float32),
        "crop": np.int64([0, 0, -2, 0, 0, 0, -2, 0]),
        "below": np.int64([0, -2, 0, 0, 0, -2, 0, 0]),
    }
    parameters = {name: a for name, a in parameters.items() if name in body}
    refused(build(body, parameters, x=x), words)


@pytest.mark.parametrize(("op", "count"), [("Concat <axis = 1>", 1025), ("Max", 20000)])
def test_nodes_of_many_inputs(op: str, count: int) -> None:
    """Each input makes an operation: a small file must not make 100,000 of them."""
    refused(build(f"[y] y = {op} ({', '.join(['x'] * count)})"), f"'y': {count:,} inputs")


def test_channels_of_all_tensors_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a range: 40 maps of a million channels would take gigabytes."""
    monkeypatch.setattr(builder, "MOST_CHANNELS", 8)
    body = " ".join(f"[v{k}] v{k} = Relu ({f'v{k - 1}' if k else 'x'})" for k in range(6))
    graph = load_graph(build(f"{body} y = Add (v5, x)"))
    with pytest.raises(CompileError, match="Relu 'v4': up to here the network's .* 10 channels"):
        compile_graph(graph)
    graph = load_graph(build(f"{body} y = Mul (v5, s)", {"s": np.ones((2, 1, 1))}))
    with pytest.raises(CompileError, match=r"Relu 'v5'(?s:.*)at most 10 in a network with so few"):
        compile_graph(graph)


CHAINS = {
    "Relu": "v{k} = Relu (v{j})",
    "Add": "v{k} = Add (v{j}, small)",
    "Identity": "v{k} = Identity (v{j})",
    "constants": "c{k} = Mul (small, small) v{k} = Add (v{j}, c{k})",
    "quantizer": """
        g{k} = Greater (v{j}, small) w{k} = Where (g{k}, one, small)
        h{k} = Greater (v{j}, one) v{k} = Where (h{k}, two, w{k})""",
}


@pytest.mark.parametrize("kind", CHAINS)
def test_work_grows_with_the_length(kind: str) -> None:
    """Four times as many nodes make about four times the calls; what is quadratic, sixteen."""
    parameters = {name: np.float32(v) for name, v in (("small", 0.25), ("one", 1), ("two", 2))}
    calls = []
    for count in (100, 400):
        body = "v0 = Relu (x) " + " ".join(
            CHAINS[kind].format(k=k, j=k - 1) for k in range(1, count)
        )
        model = build(f"{body} y = Relu (v{count - 1})", parameters)
        calls.append(count_calls(lambda model=model: compile_graph(load_graph(model))))
    assert calls[1] < 5 * calls[0], calls


def test_movements_of_large_tensors() -> None:
    """A file of some hundred bytes does not ask for gigabytes of places."""
    parameters = {"wide": np.int64([0, 0, 0, 0, 0, 0, 1, 2097153])}
    model = build("y = Pad (x, wide)", parameters, x="float[N,2,6,5] x")
    tracemalloc.start()
    refused(model, "up to 33,554,432 elements")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_weights_that_layers_share() -> None:
    """Each layer gets codes of its own name."""
    quantizer = "g{k} = Greater (v{j}, one) q{k} = Cast <to = 1> (g{k})"
    body = "v0 = Relu (x) " + " ".join(
        f"{quantizer.format(k=k, j=k - 1)} [c{k}] v{k} = Conv (q{k}, W)" for k in (1, 2, 3)
    )
    weights = np.random.default_rng(0).choice([-1.5, 1.5], (2, 2, 1, 1)).astype(np.float32)
    model = build(f"{body} y = Relu (v3)", {"one": np.float32(0.5), "W": weights})
    graph = check_same(model)
    names = [v.name for n in graph.graph if n.op_type == "Weight" for v in n.outputs]
    assert len(set(names)) == 3
