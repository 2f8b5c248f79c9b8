"""N2UQ's ladder as one function against its published operators: values, gradients, and work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="quantizers are torch modules")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from n2uqc.models.export import export_onnx, run_onnx  # noqa: E402
from n2uqc.models.ladder import ladder  # noqa: E402
from n2uqc.models.quantizers import LTQ  # noqa: E402


def drawn(seed: int, bits: int) -> LTQ:
    """Learned parameters of either sign, some lengths below the clamp."""
    random = np.random.default_rng(seed)
    module = LTQ(bits)
    with torch.no_grad():
        module.a.copy_(torch.from_numpy(random.uniform(-0.2, 1, module.thresholds)))
        for name in ("start", "scale1", "scale2"):
            getattr(module, name).fill_(random.uniform(0.3, 2) * random.choice((-1, 1)))
    return module


def gradients(module: LTQ, rise, x, upstream):
    """Output and gradients of LTQ with one way or the other of computing its ladder."""
    given_x = x.clone().requires_grad_()
    length = torch.where(module.a > module.eps, module.a, module.eps)
    y = rise(given_x * module.scale1, module.start, length) * module.scale2
    (y * upstream).sum().backward()
    learned = (module.start, module.a, module.scale1, module.scale2)
    found = [p.grad for p in (given_x, *learned)]
    module.zero_grad(set_to_none=True)
    return y.detach(), *found


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_values_and_gradients_are_those_of_the_published_operators(seed: int, bits: int) -> None:
    module = drawn(seed, bits).double()
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.uniform(-12, 12, (3, 2, 40)))
    edge = torch.cumsum(torch.clamp(module.a.detach(), min=1e-3), 0) + module.start.detach()
    x.view(-1)[: len(edge)] = edge / module.scale1.detach()  # at the edges of segments too
    upstream = torch.from_numpy(random.standard_normal(x.shape))
    found = gradients(module, ladder, x, upstream)
    expected = gradients(module, module._published, x, upstream)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(module(x).detach(), found[0], rtol=0, atol=0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_float32_thresholds_are_those_of_the_published_operators(seed: int, bits: int) -> None:
    module = drawn(seed, bits)
    with torch.no_grad():
        module.scale1.fill_(1)
        at, before = module.start.clone(), 0.0
        x = []
        for length in torch.where(module.a > module.eps, module.a, module.eps):
            at = at + (length / 2 if not x else before / 2 + length / 2)
            before = length
            x.append(at.clone())
        x = torch.cat(x)
        x = torch.cat([x, torch.nextafter(x, x + 1), torch.nextafter(x, x - 1)])
        length = torch.where(module.a > module.eps, module.a, module.eps)
        expected = module._published(x, module.start, length) * module.scale2
        torch.testing.assert_close(module(x), expected, rtol=0, atol=4e-6)


def test_channels_last_images() -> None:
    module = drawn(2, 3)
    x = torch.randn(2, 3, 4, 5)
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(last).contiguous(), module(x))


class Work(TorchDispatchMode):
    """Counts the numbers that operators write."""

    written = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.written += sum(
            o.numel()
            for o in (out if isinstance(out, tuple) else (out,))
            if isinstance(o, torch.Tensor)
        )
        return out


@pytest.mark.parametrize(("bits", "times"), [(2, 1.5), (3, 3), (4, 6)])
def test_it_is_less_work(bits: int, times: float) -> None:
    written, module = [], drawn(0, bits)
    for rise in (ladder, module._published):
        with Work() as work:
            gradients(module, rise, torch.randn(4000), torch.ones(4000))
        written.append(work.written)
    assert written[0] * times < written[1]


@pytest.mark.parametrize("dynamo", [False, True])
def test_both_exporters_write_the_published_operators(dynamo: bool, tmp_path: Path) -> None:
    module, path = drawn(1, 2).eval(), tmp_path / "net.onnx"
    image = torch.randn(1, 2, 3, 3)
    if dynamo:
        torch.onnx.export(
            module, (image,), dynamo=True, verbose=False,
            input_names=["input"], output_names=["output"],
        ).save(path)  # fmt: skip
    else:
        export_onnx(module, path, image)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Where") == 3 + 3 + 1  # levels, ramp, its top; lengths are folded
    np.testing.assert_allclose(
        run_onnx(path, image.numpy()), module(image).detach(), rtol=0, atol=4e-6
    )
