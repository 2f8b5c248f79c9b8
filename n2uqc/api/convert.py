"""``convert``: a trained float network of torch becomes a low-bit one, without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from n2uqc.models.conversion.settings import ConversionSettings
from n2uqc.models.training.read_recipe import settings_of
from n2uqc.models.training.recipe import RecipeError
from n2uqc.passes import Options
from n2uqc.passes.pixels import Pixels

from .conversion import PROGRAM, Conversion, MeasuredConversion
from .errors import UserError, names_missing_parts
from .progress import SILENT, Progress
from .torch_work import device_of, program_range

if TYPE_CHECKING:
    from torch import nn

    from n2uqc.models.conversion.session import Converted
    from n2uqc.models.training.metrics import EpochRecord

Bits = int | tuple[int, int]
"""Bits of a layer: of activations and weights alike, or of each."""

_CHECKED = 64  # samples that the integer program runs
_PACKAGES = ("torch", "numpy", "onnxruntime")


@names_missing_parts
def convert(
    network: nn.Module | str,
    output: Path | str,
    *,
    data: ArrayLike,
    weights: Path | str | None = None,
    arguments: Mapping[str, Any] | None = None,
    activation: str = "n2uq",
    weight: str = "n2uq",
    bits: Bits = 4,
    layers: Mapping[str, Bits] | None = None,
    real: Sequence[str] | None = None,
    epochs: int = 10,
    batch: int = 32,
    rate: float = 3e-4,
    threshold_rate: float = 0.1,
    goal: str = "auto",
    held_out: float = 0.2,
    pixels: Pixels | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Conversion:
    """Convert a trained float network into its N2UQ form, or a rival's, without labels.

    Its layers get quantizers whose levels are near the values that samples give; then it learns the
    float network's outputs. The same choices, versions, device and number of threads give the same
    file.

    Args:
        network: a torch Module that maps one tensor to one tensor, or the import path of what
            returns it, "package.module:function" or "file.py:function".
        output: the ONNX file to write.
        data: samples as the network takes them (or pixels), (N, C, H, W), (N, C, L) or (N, F), such
            as it will see; they may be mapped from a file.
        weights: a state dict (.pt) of the network; nothing in it is executed.
        arguments: what the function is called with, by name.
        activation, weight: names of quantizers, as in the recipes of ``train``.
        bits: of all layers that ``layers`` does not name.
        layers: bits by the layer's name; ``*`` stands for any text, the last that fits counts.
        real: layers that stay real, likewise; without it those in front of which, or behind which,
            there is no other.
        epochs: passes over the samples in fine-tuning; 0: calibrated only.
        batch: samples of a step.
        rate: first learning rate, which falls to 0.
        threshold_rate: factor of it for what quantizers of activations learn.
        goal: "scores" if the greatest output along axis 1 decides, "values" if each counts, "auto":
            scores if outputs are (N, C) with C > 1.
        held_out: share of the samples that is not learned from, but measured on.
        pixels: what makes samples the network's input, if they are raw.
        seed: of the order of samples, and of what is held out.
        device: cpu, cuda or cuda:N.
        progress: what is told of the work.

    Raises:
        UserError: the network cannot be traced by torch.fx or has no low-bit form that the compiler
            takes, samples do not fit, or a choice is wrong; names the option.
        CompileError: the integer program cannot be made.
        MissingPart: torch or onnxruntime is not installed.
        OSError: the file cannot be written.
    """
    table = {
        "network": {
            "arguments": dict(arguments or {}),
            **({"factory": network} if isinstance(network, str) else {}),
            **({"weights": str(weights)} if weights is not None else {}),
        },
        "quantizers": {
            "activation": activation,
            "weight": weight,
            "bits": _bits(bits),
            "layers": {name: _bits(each) for name, each in (layers or {}).items()},
            **({"real": list(real)} if real is not None else {}),
        },
        "schedule": {
            "batch": batch, "rate": rate, "threshold_rate": threshold_rate, "seed": seed
        },
        "split": {"validation": held_out, "seed": seed},
        "tuning": epochs,
        "goal": goal,
    }  # fmt: skip
    if pixels is not None:
        rows = {"mean": list(pixels.mean), "std": list(pixels.std)}
        table["normalize"] = {"scale": float(pixels.scale), **rows}
    samples = np.asanyarray(data)
    if pixels is not None and samples.dtype != np.uint8:
        raise UserError(f"--pixels: samples are {samples.dtype}; raw pixels are uint8")
    try:
        settings = settings_of(ConversionSettings, table, "convert", Path())
        import onnxruntime  # noqa: F401 - needed by the exporter, but told now if missing

        from n2uqc.models.conversion import session

        place, told = device_of(device), _Told(progress, epochs)
        with told.shown:
            done = session.convert(
                settings, None if isinstance(network, str) else network, samples, Path(output),
                place, told.step, told.epoch,
            )  # fmt: skip
    except RecipeError as error:
        raise UserError(str(error)) from error
    return _report(done, table, samples, pixels, progress)


class _Told:
    """What shows how a conversion goes."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self.progress, self.epochs, self.shown = progress, epochs, ExitStack()

    def step(self, what: str) -> None:
        self.shown.close()
        if what == "fine-tuning":
            self.advance = self.shown.enter_context(self.progress.reporting(self.epochs, what))
        else:
            self.shown.enter_context(self.progress.working(what))

    def epoch(self, record: EpochRecord) -> None:
        self.advance(f"loss {record.loss:.4f}, agreement {record.validation_accuracy:.1%}")


def _bits(bits: Bits) -> Any:
    if isinstance(bits, int):
        return bits
    return dict(zip(("activation", "weight"), bits, strict=True))


def _report(
    done: Converted, table: dict[str, Any], samples: Any, pixels: Pixels | None, progress: Progress
) -> Conversion:
    """Run the integer program, and put all together."""
    from .hashes import sha256
    from .simulate import simulate

    forms = {"calibrated": done.before, "fine-tuned": done.after}
    ranged = None if pixels is not None else program_range(done.input_range)
    options = Options(input_range=ranged) if ranged else Options(pixels=pixels)
    given = done.inputs(_CHECKED, raw=pixels is not None)
    outputs = simulate(done.onnx, given, options=options, progress=progress).outputs
    (values,) = outputs.values()
    forms[PROGRAM] = done.compare(values)
    facts = {
        "sha256": sha256(done.onnx.read_bytes()),
        "samples": len(samples),
        "versions": {name: version(name) for name in _PACKAGES},
        "choices": table,
    }
    epochs = tuple(
        {
            "epoch": each.epoch,
            "loss": each.loss,
            "rate": each.rate,
            "error": each.validation_loss,
            "agreement": each.validation_accuracy,
        }
        for each in done.records
    )
    measured = tuple(
        MeasuredConversion(name, each.samples, each.same, each.error)
        for name, each in forms.items()
        if each is not None
    )
    return Conversion(
        done.onnx, done.layers, "scores" if done.scores else "values", measured, epochs, ranged,
        pixels, facts,
    )  # fmt: skip
