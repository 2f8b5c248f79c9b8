"""The four networks of MLPerf Tiny in N2UQ form on microcontrollers: work, time and memory.

    python -m benchmarks.tiny
    python -m benchmarks.tiny --cores cortex-m7 --networks kws vww --bits 3

Their shapes (github.com/mlcommons/tiny, benchmark/reference) with a learned quantizer before each
inner layer and random parameters; first and last layers stay real-valued, as N2UQ leaves them.
Instructions are counted exactly under emulation; cycles are llvm-mca's estimate without caches,
and the output says so. The int8 column is published, not measured here: the fastest entry for the
same network on a Cortex-M4 (MLPerf Tiny v1.0, closed division, NUCLEO-L4R5ZI at 120 MHz).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest
from n2uqc.backends.cpu.profile import default_core, profile_artifact
from n2uqc.models.blocks import conv, quantizer
from n2uqc.models.export import export_onnx
from n2uqc.models.randomize import randomize, settle
from n2uqc.passes import Options, load

from .needs import end, need
from .outcome import add_json, report, say, table, versions

PUBLISHED = {"kws": 8.6e6, "vww": 25.0e6, "ic": 20.8e6, "ad": 0.67e6}
"""Cycles of the fastest int8 entry on a Cortex-M4."""

BITS = {"kws": 4, "vww": 4, "ic": 2, "ad": 2}
CORES = ("cortex-m4", "cortex-m7", "cortex-m33")


def inner(
    inputs: int, outputs: int, kernel: int, bits: int, stride: int = 1, groups: int = 1
) -> Iterator[nn.Module]:
    """Yield a quantizer, a quantized convolution and its normalization."""
    yield quantizer(bits)
    yield conv(inputs, outputs, kernel, stride, bits, groups)
    yield nn.BatchNorm2d(outputs)


def separable(inputs: int, outputs: int, bits: int, stride: int = 1) -> Iterator[nn.Module]:
    """Yield a depthwise and a pointwise layer."""
    yield from inner(inputs, inputs, 3, bits, stride, inputs)
    yield from inner(inputs, outputs, 1, bits)


def pooled(features: nn.Module, channels: int, classes: int) -> nn.Module:
    """Return features with a pooled linear classifier."""
    head = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    return nn.Sequential(features, *head)


def keyword_spotting(bits: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return DS-CNN and the shape of its input."""
    first = nn.Conv2d(1, 64, (10, 4), 2, (4, 1), bias=False), nn.BatchNorm2d(64)
    blocks = (m for _ in range(4) for m in separable(64, 64, bits))
    return pooled(nn.Sequential(*first, *blocks), 64, 12), (1, 49, 10)


def visual_wake_words(bits: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return MobileNetV1 of width 0.25 and the shape of its input."""
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)]
    plan += [(128, 1)] * 5 + [(256, 2), (256, 1)]
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)]
    channels = 8
    for outputs, stride in plan:
        layers += separable(channels, outputs, bits, stride)
        channels = outputs
    return pooled(nn.Sequential(*layers), channels, 2), (3, 96, 96)


class ResidualBlock(nn.Module):
    """Two 3x3 layers beside the identity, or beside a 1x1 layer where the shape changes."""

    def __init__(self, inputs: int, outputs: int, bits: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *inner(inputs, outputs, 3, bits, stride), *inner(outputs, outputs, 3, bits)
        )
        changed = stride != 1 or inputs != outputs
        self.skip = (
            nn.Sequential(*inner(inputs, outputs, 1, bits, stride)) if changed else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x) + self.skip(x)
        return y


def image_classification(bits: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return ResNet-8 and the shape of its input."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)]
    layers += [ResidualBlock(16, 16, bits, 1), ResidualBlock(16, 32, bits, 2)]
    layers.append(ResidualBlock(32, 64, bits, 2))
    return pooled(nn.Sequential(*layers), 64, 10), (3, 32, 32)


def anomaly_detection(bits: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return the dense autoencoder, as 1x1 layers of one pixel, and the shape of its input."""
    layers: list[nn.Module] = [nn.Conv2d(640, 128, 1, bias=False), nn.BatchNorm2d(128)]
    channels = 128
    for outputs in (128, 128, 128, 8, 128, 128, 128, 128):
        layers += inner(channels, outputs, 1, bits)
        channels = outputs
    return nn.Sequential(*layers, nn.Conv2d(channels, 640, 1)), (640, 1, 1)


NETWORKS = {
    "kws": keyword_spotting,
    "vww": visual_wake_words,
    "ic": image_classification,
    "ad": anomaly_detection,
}


def exported(name: str, bits: int, path: Path) -> None:
    """Write a network with random parameters as ONNX."""
    torch.manual_seed(0)
    network, shape = NETWORKS[name](bits)
    randomize(network, 0)
    images = torch.randn(4, *shape)
    settle(network, images, 0)
    export_onnx(network, path, images[:1])


def measured(name: str, bits: int, core: str, precision: str, place: Path) -> dict[str, Any]:
    """Return the row of a network on a core."""
    path = place / f"{name}-{bits}.onnx"
    if not path.exists():
        exported(name, bits, path)
    program = load(path, Options.preset(precision))
    folder = compile_program(program, core).save(place / f"{name}-{bits}-{core}")
    manifest = read_manifest(folder)
    estimated, _ = default_core(manifest)
    found = profile_artifact(folder, core=estimated)
    published = PUBLISHED[name] if core == "cortex-m4" else None
    return {
        "network": name,
        "bits": bits,
        "core": core,
        "instructions": found.instructions,
        "estimated_cycles": found.cycles,
        "published_int8_cycles": published,
        "ratio": published / found.cycles if published and found.cycles else None,
        "workspace_bytes": manifest["workspace_bytes"],
        "constant_bytes": manifest["constant_bytes"],
        "information_bytes": manifest["information_bytes"],
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--cores", nargs="+", default=list(CORES[:1]), choices=CORES)
    parser.add_argument(
        "--bits", type=int, choices=(2, 3, 4), help="of weights and activations (4 4 2 2)"
    )
    parser.add_argument("--precision", default="balanced", choices=("exact", "balanced", "small"))
    add_json(parser)
    options = parser.parse_args(arguments)
    need("torch")
    rows = []
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as folder:
        for name in options.networks:
            for core in options.cores:
                bits = options.bits or BITS[name]
                rows.append(measured(name, bits, core, options.precision, Path(folder)))
                say(f"{name} on {core}: {rows[-1]['instructions']:,} instructions")
    text = table(
        rows,
        {
            "network": "network",
            "bits": "bits",
            "core": "core",
            "instructions": "instructions",
            "estimated_cycles": "est. cycles",
            "published_int8_cycles": "int8, published",
            "ratio": "fewer",
            "workspace_bytes": "workspace",
            "constant_bytes": "constants",
            "information_bytes": "information",
        },
    )
    text += (
        "\nInstructions counted under emulation; cycles estimated by llvm-mca; int8: the fastest "
        "published entry,\nnot measured here."
    )
    report(options, text, {"benchmark": "tiny", "rows": rows, "versions": versions()})
    return 0


if __name__ == "__main__":
    end(main)
