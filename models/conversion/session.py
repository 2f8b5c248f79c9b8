"""A whole conversion: a float network, its low-bit form, fine-tuning, ONNX file.

In fine-tuning BatchNorm keeps the statistics that calibration gave it. With those of small batches
the network would first move away from the float one, whose own never change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from ..evaluating import evaluating
from ..export import export_onnx
from ..quantizers import LTQ
from ..training.compilable import check_compilable, on_cpu
from ..training.datasets import Normalizer, TrainingData, evaluation_batches, length
from ..training.loop import Trainer
from ..training.low_bit import low_bit_layers, low_bit_twin
from ..training.metrics import EpochRecord
from ..training.network import load_weights, module_at
from ..training.state import reproducible, seed_all
from .agreement import Agreement, agreement, is_scores, outputs_of, teaching_loss
from .layers import find_ends, layer_kinds, other_products, separate_layers
from .samples import open_samples
from .settings import ConversionSettings
from .statistics import correct_statistics
from .trace import traced

_SEEN = 512
"""Samples from which levels are found."""


@dataclass(frozen=True)
class ConvertedLayer:
    """What became of one use of a layer.

    Attributes:
        name: in the network; a number is added where a layer is used again.
        kind: its class.
        activation_bits, weight_bits: None where it stays real.
        why: reason for that, or "".
    """

    name: str
    kind: str
    activation_bits: int | None
    weight_bits: int | None
    why: str


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        onnx: its file.
        layers: all products and convolutions, in the order of execution.
        scores: whether outputs are scores, not values.
        before, after: agreement with the float network on samples that were held out, as calibrated
            and as fine-tuned; the latter None without fine-tuning.
        records: of all epochs; accuracy is the share of decisions that are the float network's, of
            values 1 - error; the loss is the error.
        data: the samples.
        held_out: the float network's outputs of those held out.
        input_range: least and greatest value of the network's input that was seen.
        normalizer: what makes samples the network's input.
    """

    onnx: Path
    layers: tuple[ConvertedLayer, ...]
    scores: bool
    before: Agreement
    after: Agreement | None
    records: tuple[EpochRecord, ...]
    data: TrainingData
    held_out: tuple[Tensor, ...]
    input_range: tuple[float, float]
    normalizer: Normalizer

    def inputs(self, count: int, raw: bool) -> NDArray[Any]:
        """Return the first samples that were held out, float32 as the network gets them, or raw."""
        held = range(min(count, length(self.data.validation)))
        given = torch.stack([self.data.validation[index][0] for index in held])
        return (given.to(torch.uint8) if raw else self.normalizer.values(given)).numpy()

    def compare(self, given: NDArray[Any]) -> Agreement:
        """Return the agreement of other outputs of the first samples that were held out."""
        wanted = torch.cat(self.held_out)[: len(given)]
        return agreement([(wanted, torch.from_numpy(np.asarray(given)))], self.scores)


def convert(
    settings: ConversionSettings,
    network: nn.Module | None,
    samples: NDArray[Any],
    output: Path,
    device: torch.device,
    step: Callable[[str], None],
    tuned: Callable[[EpochRecord], None],
) -> Converted:
    """Convert a float network and export it.

    Args:
        settings: what is chosen.
        network: the float network, which is not changed; None: that of the settings.
        samples: (N, ...), without labels.
        output: the ONNX file.
        device: where it is fine-tuned.
        step: called with what begins.
        tuned: called after each epoch.

    Raises:
        RecipeError: something does not fit; names the option.
        OSError: the file cannot be written.
    """
    data = open_samples(settings, samples)
    with reproducible(device):
        seed_all(settings.schedule.seed)
        if network is None:
            chosen = settings.network
            network = module_at(settings, "network.factory", str(chosen.factory), chosen.arguments)
            if chosen.weights is not None:
                load_weights(settings, "network.weights", network, chosen.weights)
        normalizer = Normalizer(settings, data.shape)
        cpu = torch.device("cpu")
        batches = [x for x, _ in evaluation_batches(data.training, normalizer, cpu, _SEEN)]
        if len(batches[-1]) == 1:  # BatchNorm has no variance of it
            batches.pop()
        shape = _check_outputs(settings, network, batches[0][:2])
        step("tracing the network")
        graph = traced(settings, network, batches[0][:2])
        separate_layers(graph)
        return _converted(
            settings, graph, data, [x.to(device) for x in batches], is_scores(settings.goal, shape),
            output, device, step, tuned,
        )  # fmt: skip


def _check_outputs(settings: ConversionSettings, network: nn.Module, x: Tensor) -> tuple[int, ...]:
    """Return the shape of the outputs of two samples; refuse anything but one tensor."""
    try:
        with torch.no_grad(), evaluating(network):
            found: Any = network(x)
    except Exception as error:  # a network of the user's may raise anything
        raise settings.error(
            "data",
            f"the network fails on samples of shape {list(x.shape[1:])}: {cut(plain(error), 500)}",
        ) from error
    if not isinstance(found, Tensor) or found.ndim < 1 or len(found) != len(x):
        shown = f"the shape {list(found.shape)}" if isinstance(found, Tensor) else "a"
        kind = "" if isinstance(found, Tensor) else f" {type(found).__name__}"
        raise settings.error(
            "network",
            f"it gives {shown}{kind} for 2 samples; one tensor is converted, with an axis of "
            "samples in front. Wrap the network in a Module that returns it",
        )
    if not found.isfinite().all():
        raise settings.error("network", "its outputs are not finite")
    return tuple(found.shape)


def _converted(
    settings: ConversionSettings,
    graph: fx.GraphModule,
    data: TrainingData,
    batches: list[Tensor],
    scores: bool,
    output: Path,
    device: torch.device,
    step: Callable[[str], None],
    tuned: Callable[[EpochRecord], None],
) -> Converted:
    graph = graph.to(device).eval()
    normalizer = Normalizer(settings, data.shape)
    first, last = find_ends(graph)
    step("calibrating")
    twin = low_bit_twin(settings, graph, torch.cat(batches), near=True, ends=[*first, *last])
    check_compilable(settings, twin, data.shape)
    correct_statistics(twin, graph, batches)
    step("running the samples that are held out")
    wanted = outputs_of(graph, data, normalizer, device)
    if all(bool((each == wanted[0][:1]).all()) for each in wanted):
        raise settings.error("network", "it gives the same output for every sample")

    def measured(network: nn.Module) -> Agreement:
        given = outputs_of(network, data, normalizer, device)
        return agreement(zip(wanted, given, strict=True), scores)

    def told(network: nn.Module) -> tuple[float, float]:
        found = measured(network)
        return found.error, max(0.0, 1 - found.error) if found.same is None else found.same

    _settle(twin)
    before, after, records = measured(twin), None, []
    if settings.tuning:
        schedule = settings.schedule
        trainer = Trainer(
            settings, data, twin, teaching_loss(graph, scores, wanted), "low-bit", settings.tuning,
            schedule.rate, schedule.decay, device, told, fixed=True,
        )  # fmt: skip
        step("fine-tuning")
        while trainer.done < trainer.epochs:
            records.append(trainer.epoch())
            tuned(records[-1])
        _settle(twin)
        after = measured(twin)
    export_onnx(on_cpu(twin), output, torch.zeros(1, *data.shape))
    seen = torch.cat(batches)
    return Converted(
        output, _layers(settings, graph, first, last), scores, before, after, tuple(records), data,
        tuple(wanted), (float(seen.min()), float(seen.max())), normalizer,
    )  # fmt: skip


def _settle(twin: nn.Module) -> None:
    for module in twin.modules():
        if isinstance(module, LTQ):
            module.settle()


def _layers(
    settings: ConversionSettings, graph: fx.GraphModule, first: list[str], last: list[str]
) -> tuple[ConvertedLayer, ...]:
    kinds = layer_kinds(graph)
    low = low_bit_layers(settings, tuple(kinds), [*first, *last])
    found = []
    for name, kind in kinds.items():
        if name in low:
            bits = low[name]
            found.append(ConvertedLayer(name, kind, bits.activation, bits.weight, ""))
            continue
        end = "first layer" if name in first else "last layer"
        found.append(
            ConvertedLayer(
                name, kind, None, None, end if settings.quantizers.real is None else "chosen"
            )
        )
    return (*found, *(ConvertedLayer(n, k, None, None, why) for n, k, why in other_products(graph)))
