"""Images in a folder for each class, read by Pillow when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from n2uqc.frontend.escape import plain

from .data_formats import FolderData
from .recipe import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image

_ENDINGS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


class ImageFolder(Dataset[tuple[Tensor, int]]):
    """Pairs of an image, uint8 (C, H, W), and its class.

    Args:
        recipe: the recipe.
        key: the table, "data" or "test".
        source: its content.
        names: of the classes, where other data has named them.

    Attributes:
        names: of the classes: the folders, sorted.
        files: the images, in the order of classes and names.
        labels: their classes.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        RecipeError: the folder has no folders, one has no images, or a size is not [H, W].
    """

    def __init__(
        self, recipe: Recipe, key: str, source: FolderData, names: tuple[str, ...] | None = None
    ) -> None:
        import PIL.Image  # noqa: F401 - a missing package is told before the work begins

        self.recipe, self.key, self.source = recipe, key, source
        if source.size is not None and (len(source.size) != 2 or min(source.size) < 1):
            raise recipe.error(f"{key}.size", f"{list(source.size)}; it is [height, width]")
        found = tuple(sorted(each.name for each in source.path.iterdir() if each.is_dir()))
        self.names = names or found
        if not found or set(found) - set(self.names):
            held = plain(", ".join(found)) or "(none)"
            raise recipe.error(
                f"{key}.path",
                f"{plain(source.path)} has the folders {held}; it holds a folder for each class"
                + (f": {plain(', '.join(names))}" if names else ""),
            )
        self.files: list[Path] = []
        self.labels: list[int] = []
        for label, name in enumerate(self.names):
            images = sorted(
                file for file in (source.path / name).glob("*") if file.suffix.lower() in _ENDINGS
            )
            if not images and not names:
                raise recipe.error(f"{key}.path", f"{plain(source.path / name)} holds no images")
            self.files += images
            self.labels += [label] * len(images)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image, UnidentifiedImageError

        file = self.files[index]
        try:
            with Image.open(file) as image:
                pixels = self._pixels(image)
        except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
            raise self.recipe.error(
                f"{self.key}.path", f"{plain(file)} is not a readable image: {plain(error)}"
            ) from None
        return pixels, self.labels[index]

    def _pixels(self, image: Image) -> Tensor:
        from PIL.Image import Resampling

        image = image.convert("L" if self.source.gray else "RGB")
        if self.source.size is not None:
            height, width = self.source.size
            image = image.resize((width, height), Resampling.BILINEAR)
        values = np.array(image)
        return torch.from_numpy(
            values[None] if values.ndim == 2 else values.transpose(2, 0, 1).copy()
        )
