"""Data of a recipe as torch Datasets: opened, checked, split, and normalized batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split

from .arrays import read_arrays
from .data_formats import DataSource, FolderData, ImportedData
from .image_folder import ImageFolder
from .import_path import called, imported
from .recipe import Recipe, Settings

Pairs = Dataset[tuple[Tensor, int]]
"""Samples without batch axis, of any number type, and their classes."""

_EVALUATED = 256  # samples of a batch that is only evaluated


@dataclass(frozen=True)
class TrainingData:
    """The data of a recipe.

    Attributes:
        training: what is trained on.
        validation: what is held out of it for the curve.
        final: what accuracies at the end are measured on.
        final_name: what that is: "test" or "validation".
        shape: of a sample, without batch axis, as the network gets it.
        classes: number of classes; None where only the samples know it.
        names: of the classes, where they have some.
    """

    training: Pairs
    validation: Pairs
    final: Pairs
    final_name: str
    shape: tuple[int, ...]
    classes: int | None
    names: tuple[str, ...] | None


def open_data(recipe: Recipe) -> TrainingData:
    """Open the data of a recipe; what is in arrays is checked whole, else its first samples.

    Raises:
        RecipeError: a file or value does not fit; names the key.
        ModuleNotFoundError: Pillow is not installed.
    """
    data, classes, names = _opened(recipe, "data", recipe.data, None)
    count = length(data)
    held = round(recipe.split.validation * count)
    if not 0 < held < count:
        raise recipe.error("split.validation", f"{held} of {count} samples would be held out")
    drawn = torch.Generator().manual_seed(recipe.split.seed)
    training, validation = random_split(data, [count - held, held], drawn)
    shape = _shape(recipe, "data", data)
    if recipe.test is None:
        final: Pairs = validation
    else:
        final, test_classes, _ = _opened(recipe, "test", recipe.test, names)
        if (test_shape := _shape(recipe, "test", final)) != shape:
            raise recipe.error("test", f"samples {list(test_shape)}, those of data {list(shape)}")
        if test_classes and classes and test_classes > classes:
            raise recipe.error(
                "test", f"label {test_classes - 1}; those of data reach from 0 to {classes - 1}"
            )
    shape = _cropped(recipe, shape)
    check_normalization(recipe, shape)
    where = "validation" if recipe.test is None else "test"
    return TrainingData(training, validation, final, where, shape, classes, names)


def length(data: Pairs) -> int:
    """Return the number of samples."""
    return len(cast(Sized, data))


def _opened(
    recipe: Recipe, key: str, source: DataSource, names: tuple[str, ...] | None
) -> tuple[Pairs, int | None, tuple[str, ...] | None]:
    if isinstance(source, ImportedData):
        return _imported(recipe, key, source), None, None
    if isinstance(source, FolderData):
        folder = ImageFolder(recipe, key, source, names)
        return folder, len(folder.names), folder.names
    arrays = read_arrays(recipe, key, source, names)
    pairs = TensorDataset(torch.from_numpy(_native(arrays.images)), torch.from_numpy(arrays.labels))
    classes = len(arrays.names) if arrays.names else int(arrays.labels.max()) + 1
    return cast(Pairs, pairs), classes, arrays.names


def _native(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return numbers that torch has too: bytes as they are, others as float32."""
    return images if images.dtype == np.uint8 else images.astype(np.float32)


def _imported(recipe: Recipe, key: str, source: ImportedData) -> Pairs:
    found = imported(recipe, f"{key}.dataset", source.dataset)
    if not isinstance(found, Dataset):
        found = called(recipe, f"{key}.dataset", found, dict(source.arguments))
    if not (hasattr(found, "__getitem__") and hasattr(found, "__len__") and length(found)):
        raise recipe.error(
            f"{key}.dataset",
            f"{source.dataset} gives a {type(found).__name__}; it is a Dataset with a length, of "
            "pairs (sample, class)",
        )
    return cast(Pairs, found)


def _shape(recipe: Recipe, key: str, data: Pairs) -> tuple[int, ...]:
    """Return the shape of the first sample, which is looked at closely."""
    try:
        sample, label = data[0]
        shape = tuple(torch.as_tensor(sample).shape)
        int(label)
    except (TypeError, ValueError) as error:
        raise recipe.error(key, f"its first sample is no pair (sample, class): {error}") from None
    if len(shape) not in (1, 2, 3) or 0 in shape:
        raise recipe.error(
            key, f"samples of shape {list(shape)}; they are (C, H, W), (C, L) or (F,)"
        )
    return shape


def _cropped(recipe: Recipe, shape: tuple[int, ...]) -> tuple[int, ...]:
    crop, sizes = recipe.augment.crop, shape[1:]
    if (recipe.augment.shift or recipe.augment.flip or crop) and not sizes:
        raise recipe.error("augment", f"samples of {shape[0]} features have no axis to move along")
    if crop is None:
        return shape
    if len(crop) != len(sizes) or any(a > b for a, b in zip(crop, sizes, strict=True)):
        raise recipe.error("augment.crop", f"{list(crop)}; samples have the sizes {list(sizes)}")
    return shape[0], *crop


def check_normalization(recipe: Settings, shape: tuple[int, ...]) -> None:
    """Refuse means and deviations that are not one number, or one for each channel.

    Raises:
        RecipeError: naming the key.
    """
    for key in ("mean", "std"):
        row = getattr(recipe.normalize, key)
        if len(row) not in (1, shape[0]):
            raise recipe.error(f"normalize.{key}", f"{len(row)} numbers for {shape[0]} channels")


class Normalizer:
    """(value * scale - mean) / std of batches, float32 (N, C, ...), cut to the middle window.

    Args:
        recipe: the recipe.
        shape: of a sample as the network gets it.
    """

    def __init__(self, recipe: Settings, shape: tuple[int, ...]) -> None:
        self.scale, self.shape = recipe.normalize.scale, shape
        rows = (recipe.normalize.mean, recipe.normalize.std)
        self.mean, self.std = (
            torch.tensor(row).reshape(1, -1, *(1,) * (len(shape) - 1)) for row in rows
        )

    def values(self, batch: Tensor) -> Tensor:
        """Return a batch as numbers of the network's input, of its own size."""
        x = batch.to(torch.float32) * self.scale
        return (x - self.mean.to(x.device)) / self.std.to(x.device)

    def middle(self, batch: Tensor) -> Tensor:
        """Return the middle window of a batch, of the size that the network gets."""
        for axis, size in enumerate(self.shape[1:], 2):
            batch = batch.narrow(axis, (batch.shape[axis] - size) // 2, size)
        return batch


def evaluation_batches(
    data: Pairs, normalizer: Normalizer, device: torch.device, most: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield samples as the network gets them, and their classes, in order.

    Args:
        data: the samples.
        normalizer: what makes them the network's input.
        device: where they go.
        most: number of samples to stop at.
    """
    if most is not None:
        data = Subset(data, range(min(most, length(data))))
    for images, labels in DataLoader(data, _EVALUATED):
        yield normalizer.middle(normalizer.values(images.to(device))), labels.to(device)
