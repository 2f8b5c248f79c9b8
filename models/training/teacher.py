"""The teacher of a low-bit network: the float network, another one, or an ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from .datasets import TrainingData
from .network import check_outputs, load_weights, module_at
from .recipe import Recipe, TeacherChoice

OWN = "float"
"""The key `network` of the recipe's own float network."""

Scores = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From samples, the network's scores and labels."""


def label_loss(_: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy with labels."""
    return F.cross_entropy(scores, labels)


def taught_loss(choice: TeacherChoice, teacher: Scores) -> Loss:
    """Return the loss of distillation (Hinton, Vinyals, Dean, arXiv 1503.02531, section 2).

    With temperature T it is share * T² * cross entropy of softmax(teacher / T) and
    softmax(scores / T), plus (1 - share) * cross entropy with the labels.
    """
    share, heat = choice.share, choice.temperature

    def loss(x: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = torch.softmax(teacher(x) / heat, 1)
        soft = share * heat**2 * F.cross_entropy(scores / heat, wanted)
        return soft if share == 1 else soft + (1 - share) * F.cross_entropy(scores, labels)

    return loss


def find_teacher(
    recipe: Recipe,
    choice: TeacherChoice,
    own: nn.Module,
    data: TrainingData,
    classes: int,
    device: torch.device,
) -> Scores:
    """Return what gives the teacher's scores of a batch.

    Args:
        recipe: the recipe.
        choice: its table [teacher].
        own: the recipe's float network.
        data: what the teacher has to take.
        classes: scores that it has to give.
        device: where samples will be.

    Raises:
        RecipeError: the table contradicts itself, a file cannot be read, or scores do not fit.
        ModuleNotFoundError: ONNX Runtime is not installed.
    """
    if choice.file is not None and choice.file.suffix == ".onnx":
        if choice.network is not None:
            raise recipe.error("teacher", "an .onnx file is a whole network; network is not given")
        return _asked(recipe, choice.file, data, classes)
    if choice.network in (None, OWN):
        if choice.file is not None:
            raise recipe.error(
                "teacher.network", "a state dict needs the import path of what builds its network"
            )
        network = own
    else:
        network = module_at(recipe, "teacher.network", choice.network, choice.arguments)
        if choice.file is not None:
            load_weights(recipe, "teacher.file", network, choice.file)
        _check(recipe, "teacher", check_outputs(recipe, "teacher", network, data), classes)
    return network.to(device).eval()


def _check(recipe: Recipe, key: str, found: int, classes: int) -> None:
    if found != classes:
        raise recipe.error(key, f"it gives {found} scores, the network {classes}")


def _asked(recipe: Recipe, file: Path, data: TrainingData, classes: int) -> Scores:
    """Return a function that asks ONNX Runtime."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def scores(x: Tensor) -> Tensor:
            answer = session.run(None, {name: x.detach().cpu().numpy()})[0]
            return torch.from_numpy(np.asarray(answer, np.float32)).to(x.device)

        shape = tuple(scores(torch.zeros(2, *data.shape)).shape)
    except Exception as error:  # the classes of its exceptions are not public
        raise recipe.error(
            "teacher.file", f"{plain(file)} cannot be run: {cut(plain(error), 500)}"
        ) from None
    if len(shape) != 2 or shape[0] != 2:
        raise recipe.error("teacher.file", f"{plain(file)} gives {list(shape)} for 2 samples")
    _check(recipe, "teacher.file", shape[1], classes)
    return scores
