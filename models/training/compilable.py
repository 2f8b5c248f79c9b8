"""Whether the compiler takes a low-bit network, asked before hours are spent on it."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.escape import plain
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.recognize.weight_quantizer import MAX_BITS
from n2uqc.frontend.summary import summarize

from ..export import export_onnx
from ..quantizers import N2UQWeight
from .low_bit import count_low_bit
from .recipe import Settings


def check_compilable(settings: Settings, twin: nn.Module, shape: tuple[int, ...]) -> None:
    """Export a low-bit network and let the compiler's frontend read it.

    Args:
        settings: what names it in messages.
        twin: what `low_bit_twin` made.
        shape: of a sample.

    Raises:
        RecipeError: the exporter or the frontend refuses it, or would read a quantized layer as a
            real one.
    """
    with TemporaryDirectory(prefix="n2uqc-") as folder:
        path = Path(folder, "network.onnx")
        try:
            export_onnx(on_cpu(twin), path, torch.zeros(1, *shape))
            layers = summarize(load_graph(path)).layers
        except (CompileError, torch.onnx.errors.OnnxExporterError) as error:
            text = f"its low-bit form cannot be compiled: {error}"
            raise settings.error("network", text) from error
    low = count_low_bit(twin)
    products = [each for each in layers if each.macs]
    lost = [each for each in products if each.becomes != "integer"]
    if len(products) - len(lost) < low:
        widest = max((m.bits for m in twin.modules() if isinstance(m, N2UQWeight)), default=0)
        if widest > MAX_BITS:
            text = (
                f"N2UQ's weights of {widest} bits would be float numbers to the compiler; "
                f"it takes up to {MAX_BITS} bits of them"
            )
            raise settings.error("quantizers", text)
        reasons = "; ".join(f"{plain(each.name)}: {each.why}" for each in lost)
        text = f"of {low} low-bit layers the compiler would not read all: {reasons}"
        raise settings.error("quantizers", text)


def on_cpu(network: nn.Module) -> nn.Module:
    """Return the network, or a copy of it if it is elsewhere."""
    first: Tensor | None = next(network.parameters(), None)
    return network if first is None or first.device.type == "cpu" else copy.deepcopy(network).cpu()
