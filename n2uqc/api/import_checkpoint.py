"""``import_checkpoint``: from a checkpoint of the published N2UQ code to ONNX (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import plain
from n2uqc.frontend.sheet import Sheet
from n2uqc.models.architectures import BITS, Variant, architectures

from .errors import MissingPart, UserError, names_missing_parts
from .progress import SILENT, Progress
from .result import Result


@dataclass(frozen=True, repr=False)
class ImportedCheckpoint(Result):
    """A checkpoint that became an ONNX file.

    Attributes:
        path: the file.
        architecture, bits, image: what it is; height and width of the images.
        classes: number of classes.
        tensors, values: what was read of the checkpoint.
        prefix: what was removed from the names of its tensors.
        beside: numbers that the checkpoint holds beside tensors, such as an accuracy.
    """

    path: Path
    architecture: str
    bits: int
    image: tuple[int, int]
    classes: int | None
    tensors: int
    values: int
    prefix: str
    beside: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "file": str(self.path),
            "architecture": self.architecture,
            "bits": self.bits,
            "image": list(self.image),
            "classes": self.classes,
            "tensors": self.tensors,
            "values": self.values,
            "prefix": self.prefix,
            "beside": dict(self.beside),
        }

    def summary(self) -> str:
        return f"{self.bits}-bit {self.architecture} of {self.classes} classes in {self.path}"

    def write(self, sheet: Sheet) -> None:
        notes = [f"{self.tensors} tensors of {self.values:,} values"]
        if self.prefix:
            notes.append(f"prefix {self.prefix} removed")
        notes += [f"{name} {value:.6g}" for name, value in self.beside.items()]
        sheet.line(f"read {', '.join(notes)}")
        height, width = self.image
        sheet.line(
            f"wrote {plain(self.path)}: {self.bits}-bit {self.architecture}, images of 3 x "
            f"{height} x {width}, {self.classes} classes, {self.path.stat().st_size / 1e6:.1f} MB"
        )


@names_missing_parts
def import_checkpoint(
    checkpoint: Path | str,
    output: Path | str,
    *,
    architecture: str,
    bits: int,
    quantize_downsample: bool = False,
    image: tuple[int, int] = (224, 224),
    progress: Progress = SILENT,
) -> ImportedCheckpoint:
    """Convert a checkpoint of the published N2UQ training code into ONNX.

    Only tensors are read: a pickle that asks for anything else is refused, not run.

    Args:
        checkpoint: a file of ``torch.save``.
        output: the ONNX file to write.
        architecture: resnet18, resnet34, resnet50, mobilenetv2, …
        bits: of weights and activations.
        quantize_downsample: the convolutions in the skip connections are quantized too (ResNets).
        image: height and width of the images.
        progress: what is told of the work.

    Raises:
        CompileError: the checkpoint cannot be read, or is not of the architecture; lists all keys
            and shapes that differ.
        UserError: the architecture or the number of bits is unknown, or has no such variant.
        MissingPart: torch or onnxruntime is not installed.
    """
    check_variant(architecture, bits, quantize_downsample)
    try:
        import torch

        from n2uqc.models.checkpoint import build_network, read_checkpoint
        from n2uqc.models.export import export_onnx
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnxruntime"):
            raise
        raise MissingPart(
            f"import-checkpoint needs {error.name}, which is not installed: "
            "pip install 'n2uqc[train]'"
        ) from None

    known, path = architectures[architecture], Path(output)
    with progress.working(f"reading {checkpoint}"):
        read = read_checkpoint(Path(checkpoint))
    variant = Variant(bits, "quantized" if quantize_downsample else "float", image=image)
    with progress.working(f"building {architecture}"):
        network = build_network(read, known, variant)
    with progress.working(f"exporting {architecture} for images of {image[0]}x{image[1]}"):
        export_onnx(network, path, torch.zeros(1, 3, *image))
    return ImportedCheckpoint(
        path,
        architecture,
        bits,
        image,
        read.classes,
        len(read.parameters),
        sum(value.numel() for value in read.parameters.values()),
        read.prefix,
        dict(read.beside),
    )


def check_variant(architecture: str, bits: int, quantize_downsample: bool) -> None:
    """Refuse variants that there are not.

    Raises:
        UserError: naming what there is.
    """
    if architecture not in architectures:
        raise UserError(f"architecture {architecture!r}: there are {', '.join(architectures)}")
    if bits not in BITS:
        raise UserError(f"{bits} bits: there are {', '.join(map(str, BITS))}")
    if quantize_downsample and not architectures[architecture].downsamples:
        raise UserError(
            f"--quantize-downsample: {architecture} has no convolution in its skip connections"
        )
