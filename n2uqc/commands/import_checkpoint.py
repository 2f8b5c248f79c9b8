"""Converts a checkpoint of the published N2UQ training code into ONNX.

Only tensors are read: a pickle that asks for anything else is refused, not run. The keys must be
those of the architecture; missing and extra keys and wrong shapes are listed. The ONNX file is the
plain output of PyTorch's exporter, with quantizers as single nodes and a dynamic batch axis.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.files import require_writable
from n2uqc.console.output import show
from n2uqc.console.progress import TERMINAL
from n2uqc.models.architectures import BITS, architectures

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
    from n2uqc.api.import_checkpoint import check_variant, import_checkpoint

    check_variant(options.arch, options.bits, options.quantize_downsample)
    require_writable(options.output)
    found = import_checkpoint(
        options.checkpoint,
        options.output,
        architecture=options.arch,
        bits=options.bits,
        quantize_downsample=options.quantize_downsample,
        image=options.image,
        progress=TERMINAL,
    )
    show(found, options)
    return 0


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a height and a width, as in 224,224")
    return height, width
