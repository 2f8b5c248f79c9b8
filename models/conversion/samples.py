"""Samples without labels, as a Dataset that reads them when they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, random_split

from ..training.datasets import TrainingData, check_normalization
from ..training.recipe import Settings

_CHECKED = 256  # samples that are looked at together


class Samples(Dataset[tuple[Tensor, int]]):
    """Samples of an array, float32, with class 0 in place of a label.

    Args:
        array: (N, ...), of any type of numbers, in memory or mapped from a file.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.from_numpy(np.array(self.array[index], np.float32)), 0


def open_samples(settings: Settings, array: NDArray[Any]) -> TrainingData:
    """Check samples and split them.

    Args:
        settings: with the part that is held out, and the normalization.
        array: (N, C, H, W), (N, C, L) or (N, F).

    Raises:
        RecipeError: they are no finite numbers, of another shape, or too few.
    """
    if array.dtype.kind not in "fiu" or array.ndim not in (2, 3, 4) or 0 in array.shape[1:]:
        raise settings.error(
            "data",
            f"samples of shape {array.shape} and dtype {array.dtype}; they are numbers "
            "(N, C, H, W), (N, C, L) or (N, F)",
        )
    count = len(array)
    held = max(1, round(settings.split.validation * count))
    if count - held < 2:
        raise settings.error("data", f"{count} samples; there must be 3 or more")
    for begin in range(0, count if array.dtype.kind == "f" else 0, _CHECKED):
        part = array[begin : begin + _CHECKED].reshape(-1, array[0].size)
        if not (finite := np.isfinite(part).all(1)).all():
            at = begin + int(np.flatnonzero(~finite)[0])
            raise settings.error("data", f"sample {at} has values that are not finite")
    check_normalization(settings, array.shape[1:])
    drawn = torch.Generator().manual_seed(settings.split.seed)
    training, kept = random_split(Samples(array), [count - held, held], drawn)
    return TrainingData(training, kept, kept, "held-out", array.shape[1:], 1, None)
