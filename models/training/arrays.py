"""Labeled samples from files of arrays: .npz, IDX, CSV; needs numpy alone."""

from __future__ import annotations

import csv
import gzip
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.archives import DAMAGED_ARCHIVE
from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from .data_formats import CsvData, IdxData, NpzData
from .recipe import Recipe, RecipeError

_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""Number types by the third byte of an IDX file (the format of the MNIST files)."""
_DAMAGE: tuple[type[Exception], ...] = (
    *DAMAGED_ARCHIVE,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
)


@dataclass(frozen=True)
class LabeledArrays:
    """Samples and their classes.

    Attributes:
        images: (N, C, H, W), (N, C, L) or (N, F), of the number type in the file.
        labels: int64 (N,), not negative.
        names: names of the classes where the file has names, not numbers.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    names: tuple[str, ...] | None = None


def read_arrays(
    recipe: Recipe,
    key: str,
    source: NpzData | IdxData | CsvData,
    names: tuple[str, ...] | None = None,
) -> LabeledArrays:
    """Read the samples of a table of the recipe.

    Args:
        recipe: the recipe.
        key: the table, "data" or "test".
        source: its content.
        names: of the classes, where other data has named them.

    Raises:
        RecipeError: a file is damaged or holds something else; names key, file and what is wrong.
    """
    if isinstance(source, CsvData):
        images, labels, names = _csv(recipe, key, source, names)
    elif isinstance(source, IdxData):
        images = _idx(recipe, f"{key}.images", source.images)
        images = images[:, None] if images.ndim == 3 else images
        labels = _idx(recipe, f"{key}.labels", source.labels)
    else:
        images, labels = _npz(recipe, key, source)
    _check(recipe, key, images, labels)
    return LabeledArrays(np.ascontiguousarray(images), labels.astype(np.int64), names)


def _check(recipe: Recipe, key: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
    if images.dtype.kind not in "fiu" or images.ndim not in (2, 3, 4) or not images.size:
        raise recipe.error(
            key,
            f"samples of shape {images.shape} and dtype {images.dtype}; they are numbers "
            "(N, C, H, W), (N, C, L) or (N, F)",
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(images):
        raise recipe.error(
            key,
            f"labels of shape {labels.shape} and dtype {labels.dtype}; they are integers "
            f"({len(images)},), one for each sample",
        )
    if labels.min() < 0:
        raise recipe.error(key, f"label {labels.min()}; classes are 0, 1, …")
    if images.dtype.kind == "f":
        unreal = np.flatnonzero(~np.isfinite(images).reshape(len(images), -1).all(1))
        if len(unreal):
            raise recipe.error(key, f"sample {unreal[0]} has values that are not finite")


def _npz(recipe: Recipe, key: str, source: NpzData) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(source.path, allow_pickle=False) as loaded:
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            for name, part in ((source.images, "images"), (source.labels, "labels")):
                if name not in loaded.files:
                    held = plain(", ".join(loaded.files)) or "(none)"
                    raise recipe.error(
                        f"{key}.{part}", f"{plain(source.path)} holds the arrays {held}, no {name}"
                    )
            images, labels = loaded[source.images], loaded[source.labels]
    except _DAMAGE as error:
        raise _unreadable(recipe, f"{key}.path", source.path, ".npz file", error) from None
    if source.channels == "last" and images.ndim > 2:
        images = np.moveaxis(images, -1, 1)
    elif source.channels == "none":
        images = images[:, None]
    return images, labels


def _idx(recipe: Recipe, key: str, path: Path) -> NDArray[Any]:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        zero, kind, axes = int.from_bytes(content[:2], "big"), content[2], content[3]
        begin = 4 + 4 * axes
        shape = tuple(int(size) for size in np.frombuffer(content[4:begin], ">u4"))
        if zero or kind not in _IDX_TYPES or len(shape) != axes:
            raise ValueError("its first bytes are others")
        dtype = np.dtype(_IDX_TYPES[kind])
        if len(content) - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{len(content) - begin:,} bytes for {shape} of {dtype.name}")
        return np.frombuffer(content, dtype, offset=begin).reshape(shape).astype(dtype.name)
    except _DAMAGE as error:
        raise _unreadable(recipe, key, path, "IDX file", error) from None


def _csv(
    recipe: Recipe, key: str, source: CsvData, names: tuple[str, ...] | None
) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...] | None]:
    path, at = plain(source.path), f"{key}.path"
    try:
        with open(source.path, newline="", encoding="utf-8-sig") as file:
            head, *rows = (row for row in csv.reader(file) if row)
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(recipe, at, source.path, "CSV file with a row of names", error) from None
    if source.label not in head:
        shown = plain(", ".join(head[:8]))
        raise recipe.error(
            f"{key}.label", f"{path} has no column {source.label}; first are {shown}"
        )
    place = head.index(source.label)
    values = np.empty((len(rows), len(head) - 1), np.float32)
    for number, row in enumerate(rows):
        try:
            values[number] = [float(cell) for cell in row[:place] + row[place + 1 :]]
        except ValueError:
            raise recipe.error(
                at, f"{path}: row {number + 2} is not a class and {len(head) - 1} numbers"
            ) from None
    if source.shape is not None:
        if math.prod(source.shape) != len(head) - 1:
            raise recipe.error(
                f"{key}.shape", f"{list(source.shape)}; {path} has {len(head) - 1} values a row"
            )
        values = values.reshape(-1, *source.shape)
    labels, names = _classes(recipe, at, [row[place].strip() for row in rows], names)
    return values, labels, names


def _classes(
    recipe: Recipe, at: str, given: list[str], names: tuple[str, ...] | None
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Return classes as numbers: those in the file, or places among the sorted names."""
    if names is None and all(text.lstrip("-").isdecimal() for text in given):
        return np.array([int(text) for text in given], np.int64), None
    names = names or tuple(sorted(set(given)))
    numbers = {name: number for number, name in enumerate(names)}
    unknown = next((text for text in given if text not in numbers), None)
    if unknown is not None:
        raise recipe.error(at, f"class {plain(unknown)!r} does not occur in [data]")
    return np.array([numbers[text] for text in given], np.int64), names


def _unreadable(
    recipe: Recipe, key: str, path: Path, kind: str, error: BaseException
) -> RecipeError:
    return recipe.error(key, f"{plain(path)} is not a readable {kind}: {cut(plain(error))}")
