"""What a recipe states, table by table; `read_recipe` reads them from a TOML file.

Limits of a number stand in its field's metadata: `least` and `most` are allowed, `above` and
`below` are not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..registry import activation_names, weight_names
from .data_formats import DataSource


class RecipeError(Exception):
    """A recipe that cannot be followed; the message names the file and the key."""


def _number(default: Any, **limits: float) -> Any:
    return field(default=default, metadata=limits)


@dataclass(frozen=True)
class HoldOut:
    """The part of [data] that is not trained on, for the validation curve.

    Attributes:
        validation: its share.
        seed: what draws it.
    """

    validation: float = _number(0.2, above=0, below=1)
    seed: int = _number(0, least=0)


@dataclass(frozen=True)
class Normalization:
    """What becomes of a value before the network: (value * scale - mean) / std.

    Attributes:
        scale: of all values.
        mean, std: one number, or one a channel.
    """

    scale: float = _number(1.0, above=0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = field(default=(1.0,), metadata={"above": 0})


@dataclass(frozen=True)
class NetworkChoice:
    """The float network; its low-bit twin is made of it.

    Attributes:
        name: "residual" (small, for small images), or a published architecture.
        factory: instead of the name: import path "package.module:name" of what returns a Module.
        arguments: what that is called with, by name; for "residual" its widths and blocks.
        width: factor of the channels of a published architecture.
        downsample: kind of skip convolution of a published architecture.
        weights: a state dict (.pt) to begin with.
    """

    name: str | None = None
    factory: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    width: float = _number(1.0, above=0)
    downsample: Literal["float", "quantized"] = "float"
    weights: Path | None = None


@dataclass(frozen=True)
class LayerBits:
    """Bits of a layer's weights and of the activations that it reads.

    In a recipe: `2`, or `{activation = 4, weight = 2}`.
    """

    activation: int = _number(2, least=2, most=8)
    weight: int = _number(2, least=2, most=8)


@dataclass(frozen=True)
class QuantizerChoice:
    """How layers become low-bit.

    Attributes:
        activation, weight: names of quantizers.
        bits: of all layers that `layers` does not name.
        layers: bits by the layer's name in the network; `*` stands for any text, the last that
            fits counts.
        real: layers that stay real, likewise; without it the first and the last one.
    """

    activation: str = field(default="n2uq", metadata={"names": activation_names})
    weight: str = field(default="n2uq", metadata={"names": weight_names})
    bits: LayerBits = field(default_factory=LayerBits)
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    real: tuple[str, ...] | None = None


Decay = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True)
class FloatSchedule:
    """Training of the float network, with labels, before its low-bit twin.

    Attributes:
        epochs: 0: it is taken as it is.
        rate: first learning rate.
        decay: its course down to 0.
    """

    epochs: int = _number(20, least=0)
    rate: float = _number(4e-3, above=0)
    decay: Decay = "cosine"


@dataclass(frozen=True)
class LowBitSchedule:
    """Training of the low-bit network, and what both phases share.

    Attributes:
        epochs: passes over the samples.
        batch: samples of a step.
        rate: first learning rate.
        threshold_rate: factor of the rate for what quantizers of activations learn.
        decay: course of the rate down to 0.
        optimizer: of torch.optim.
        momentum: for sgd.
        weight_decay: not applied to what quantizers learn, biases and normalizations.
        seed: initial weights, order, augmentation.
    """

    epochs: int = _number(40, least=1)
    batch: int = _number(64, least=1)
    rate: float = _number(2e-3, above=0)
    threshold_rate: float = _number(0.1, above=0)
    decay: Decay = "linear"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = _number(0.9, least=0, below=1)
    weight_decay: float = _number(0.0, least=0)
    seed: int = _number(0, least=0)


@dataclass(frozen=True)
class TeacherChoice:
    """Whose outputs the low-bit network learns; without this table it learns labels.

    Attributes:
        network: "float" (the recipe's own), or an import path of what returns a Module.
        arguments: what that is called with, by name.
        file: an .onnx file that ONNX Runtime asks, or the state dict (.pt) of `network`.
        share: of the teacher in the loss; the rest is the labels'. 1: its outputs alone.
        temperature: divides the scores of both.
    """

    network: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    share: float = _number(1.0, above=0, most=1)
    temperature: float = _number(1.0, above=0)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training samples, for any number of channels.

    Attributes:
        shift: most positions by which each axis moves; zeros come in.
        flip: whether the last axis is mirrored for half of them.
        crop: sizes of a random window; validation and the network use the middle one.
        noise: standard deviation of what is added, in units of the network's input.
    """

    shift: int = _number(0, least=0)
    flip: bool = False
    crop: tuple[int, ...] | None = field(default=None, metadata={"least": 1})
    noise: float = _number(0.0, least=0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a recipe and a conversion share.

    Attributes:
        file: how messages call it.
        folder: what its paths are relative to, and where import paths are looked up first.
        split: what of the samples is held out.
        normalize: what becomes of a value before the network.
        network: the float network.
        quantizers: how layers become low-bit.
        schedule: training of the low-bit network.
        augment: random changes of the training samples.
    """

    file: str
    folder: Path
    split: HoldOut = HoldOut()
    normalize: Normalization = Normalization()
    network: NetworkChoice = NetworkChoice()
    quantizers: QuantizerChoice = QuantizerChoice()
    schedule: LowBitSchedule = LowBitSchedule()
    augment: Augmentation = Augmentation()

    def error(self, key: str, text: str) -> RecipeError:
        """Return the error of a key."""
        return RecipeError(f"{self.file}: {key}: {text}")


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """A whole recipe.

    Attributes:
        output: folder of the results.
        data: labeled samples to train with; a part is held out.
        test: what the accuracies at the end are measured on; without it, that part.
        float_schedule: training of the float network.
        teacher: whose outputs the low-bit network learns.
        tensorboard: whether the curve is written for TensorBoard too.
    """

    output: Path
    data: DataSource
    test: DataSource | None = None
    float_schedule: FloatSchedule = FloatSchedule()
    teacher: TeacherChoice | None = None
    tensorboard: bool = False

    def settings(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values; two runs of equal ones can be one."""
        chosen = asdict(self)
        for name in ("file", "folder", "output", "tensorboard"):
            del chosen[name]
        values: dict[str, Any] = json.loads(json.dumps(chosen, default=self._relative))
        return values

    def _relative(self, path: object) -> str:
        """Return a path as the recipe has it, so that folder and recipe may be moved."""
        return os.path.relpath(str(path), self.folder)
