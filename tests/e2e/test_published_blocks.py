"""Reduced networks of published kinds: both exporters, every executor, PyTorch in float64."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks are exported by torch")
pytest.importorskip("onnxscript", reason="the dynamo-based exporter needs onnxscript")

from n2uqc.api.executors import run_all  # noqa: E402
from n2uqc.backends import find_target  # noqa: E402
from n2uqc.backends.cost.compare import compare  # noqa: E402
from n2uqc.frontend.load import load_graph  # noqa: E402
from n2uqc.models.randomize import randomize, settle  # noqa: E402
from n2uqc.passes import Options, compile_graph  # noqa: E402
from n2uqc.passes.checks.evaluate import reference  # noqa: E402
from n2uqc.passes.checks.network import hold  # noqa: E402
from n2uqc.passes.checks.prove import prove_tables  # noqa: E402
from n2uqc.passes.program import quantize_inputs, real_outputs, trace  # noqa: E402

from .normalized_blocks import NORMALIZED  # noqa: E402
from .positions_and_boxes import MORE  # noqa: E402
from .published_blocks import NETWORKS, SHAPES  # noqa: E402

KINDS = NETWORKS | MORE | NORMALIZED

BOTH = ("YOLO",)  # by the other exporter in every run, too
"""Those that the tests export by dynamo, too; the others take their minutes on demand."""

CALIBRATED = ("retrieval with GeM", "ConvNeXt V2")
"""Those of which the range of the input leaves too little: cubes of small numbers, quotients."""


def exported(name: str, path: Path, dynamo: bool) -> tuple[np.ndarray, list[np.ndarray]]:
    """Write a network of random, settled parameters; return images and its outputs in float64."""
    torch.manual_seed(0)
    network = KINDS[name]()
    randomize(network, 0)
    shape = SHAPES.get(name, (3, 12, 12))
    images = np.random.default_rng(0).normal(0.4, 0.5, (8, *shape)).astype(np.float32)
    x = torch.tensor(images)
    settle(network, x, 0)
    network.eval()
    with torch.no_grad():
        outputs = network.double()(x.double())
        network.float()
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    names = [f"output{k}" for k in range(len(outputs))]
    options = {"input_names": ["input"], "output_names": names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(
                network,
                (x[:2],),
                path,
                dynamo=True,
                dynamic_shapes=shapes,
                verbose=False,
                **options,
            )
        else:
            axes = {name: {0: "batch"} for name in ("input", *names)}
            torch.onnx.export(
                network,
                (x[:2],),
                path,
                dynamo=False,
                opset_version=17,
                dynamic_axes=axes,
                **options,
            )
    return images, [output.numpy() for output in outputs]


@pytest.mark.parametrize(
    ("name", "dynamo"),
    [
        pytest.param(
            name,
            dynamo,
            id=f"{name}-{'dynamo' if dynamo else 'script'}",
            marks=[pytest.mark.slow] if dynamo and name not in BOTH else [],
        )
        for name in KINDS
        for dynamo in (False, True)
    ],
)
def test_network(name: str, dynamo: bool, tmp_path: Path) -> None:
    images, wanted = exported(name, path := tmp_path / "m.onnx", dynamo)
    graph = load_graph(path)
    options = Options(calibration=images if name in CALIBRATED else None)
    program = compile_graph(graph, options)
    x = quantize_inputs(program, images)
    compared = hold(reference(graph, options), program, images)
    assert not any(row.wrong for row in compared.rows), compared.rows
    assert not any(proof.mismatches for proof in prove_tables(graph, program))
    first, *others = run_all(program, x, tmp_path, [find_target(t) for t in TARGETS])
    for other in others:
        assert not other.missing
        for port in program.interface.outputs:
            np.testing.assert_array_equal(
                other.output[port.name], first.output[port.name], other.target.name
            )
    for got, want in zip(real_outputs(program, first.output).values(), wanted, strict=True):
        assert np.abs(got.reshape(want.shape) - want).max() < 1e-3 * want.std()
    tensors = trace(program, {port: values[:1] for port, values in x.items()})
    assert len({v.tobytes() for v in tensors.values()}) > len(program.ops) / 2  # not all alike
    assert compare(program).own["lut"] > 0


TARGETS = ("program", "host", "aarch64", "fpga")
