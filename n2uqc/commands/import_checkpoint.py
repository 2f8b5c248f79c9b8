"""Converts a checkpoint of the published N2UQ training code into ONNX.

Only tensors are read: a pickle that asks for anything else is refused, not run. The keys must be
those of the architecture; missing and extra keys and wrong shapes are listed. The ONNX file is the
plain output of PyTorch's exporter, with quantizers as single nodes and a dynamic batch axis.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.api.errors import UserError
from n2uqc.console.files import require_writable
from n2uqc.console.progress import working
from n2uqc.frontend.escape import plain
from n2uqc.models.architectures import BITS, Variant, architectures

if TYPE_CHECKING:
    from n2uqc.models.checkpoint import Checkpoint

HELP = "convert a published N2UQ checkpoint into ONNX"
EXAMPLES = """\
examples:
  n2uqc import-checkpoint --arch resnet18 --bits 2 res18_2bit.pth.tar -o res18_2bit.onnx
  n2uqc import-checkpoint --arch resnet50 --bits 3 --quantize-downsample net.pth -o net.onnx
  n2uqc import-checkpoint --arch mobilenetv2 --bits 4 --image 192,256 mbv2.pth -o mbv2.onnx
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("checkpoint", metavar="CKPT", type=Path, help="file of torch.save")
    parser.add_argument("--arch", required=True, choices=tuple(architectures), help="architecture")
    parser.add_argument(
        "--bits", required=True, type=int, choices=BITS, help="bits of weights and activations"
    )
    parser.add_argument(
        "--quantize-downsample",
        action="store_true",
        help="the convolutions in the skip connections are quantized too (ResNets)",
    )
    parser.add_argument(
        "--image",
        metavar="H,W",
        type=_size,
        default=(224, 224),
        help="height and width of the images (default 224,224)",
    )
    parser.add_argument(
        "--output", "-o", required=True, metavar="MODEL.onnx", type=Path, help="file to write"
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    architecture = architectures[options.arch]
    if options.quantize_downsample and not architecture.downsamples:
        raise UserError(
            f"--quantize-downsample: {options.arch} has no convolution in its skip connections"
        )
    require_writable(options.output)
    try:
        import torch

        from n2uqc.models.checkpoint import build_network, read_checkpoint
        from n2uqc.models.export import export_onnx
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnxruntime"):
            raise
        raise UserError(
            f"import-checkpoint needs {error.name}, which is not installed: "
            "pip install 'n2uqc[train]'"
        ) from None
    with working(f"reading {options.checkpoint}"):
        checkpoint = read_checkpoint(options.checkpoint)
    print(_what_was_read(checkpoint), flush=True)
    variant = Variant(
        options.bits, "quantized" if options.quantize_downsample else "float", image=options.image
    )
    with working(f"building {options.arch}"):
        network = build_network(checkpoint, architecture, variant)
    with working(f"exporting {options.arch} for images of {options.image[0]}x{options.image[1]}"):
        export_onnx(network, options.output, torch.zeros(1, 3, *options.image))
    megabytes = options.output.stat().st_size / 1e6
    print(
        f"wrote {plain(options.output)}: {options.bits}-bit {options.arch}, images of 3 x "
        f"{options.image[0]} x {options.image[1]}, {checkpoint.classes} classes, {megabytes:.1f} MB"
    )
    return 0


def _what_was_read(checkpoint: Checkpoint) -> str:
    count = sum(value.numel() for value in checkpoint.parameters.values())
    notes = [f"{len(checkpoint.parameters)} tensors of {count:,} values"]
    if checkpoint.prefix:
        notes.append(f"prefix {checkpoint.prefix} removed")
    notes += [f"{name} {value:.6g}" for name, value in checkpoint.beside.items()]
    return plain(f"read {checkpoint.path}: {', '.join(notes)}")


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a height and a width, as in 224,224")
    return height, width
