"""The handwritten digits of scikit-learn with one fixed split; needs no torch."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HELD_BACK = 0.3
SPLIT_SEED = 20211114
# SHA-256 over the labels and images of both halves. A release of scikit-learn that shuffles
# differently would put held-back images into training and invalidate every recorded accuracy.
SPLIT_SHA256 = "a514a7340e59a55cb576504fb0e615b3a93134c1b0802ebaa733a944b3dc68e4"


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: float32 (N, 1, 8, 8), gray values in [0, 1], exact multiples of 1/16; read-only.
        labels: int64 (N,), 0 to 9; read-only.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Digits:
    """The two halves of the data: 1257 images to train with, 540 held back for the final test."""

    train: Split
    test: Split


@functools.cache
def digits() -> Digits:
    """Return the handwritten digits (UCI Optical
    Recognition of Handwritten Digits, of scikit-learn).

    The split is stratified by label, holds back 30% and comes from a fixed seed, so it is the same
    in every process.

    Returns:
        1257 training and 540 test images, float32 (N, 1, 8, 8) in [0, 1], with int64 labels.

    Raises:
        RuntimeError: This scikit-learn splits or scales the images differently from the one that
            the recorded accuracies were measured with.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    halves = train_test_split(
        images,
        labels.astype(np.int64),
        test_size=HELD_BACK,
        stratify=labels,
        random_state=SPLIT_SEED,
    )
    for array in halves:
        array.setflags(write=False)
    train_images, test_images, train_labels, test_labels = halves
    found = Digits(Split(train_images, train_labels), Split(test_images, test_labels))
    if split_hash(found) != SPLIT_SHA256:
        raise RuntimeError(
            "the digits split differs from the recorded one: this scikit-learn shuffles or stores "
            "the images differently, so recorded accuracies do not apply; install the release "
            "named in the model's JSON file"
        )
    return found


def split_hash(data: Digits) -> str:
    """Return the SHA-256 over labels and images of both halves, little-endian, in hexadecimal."""
    digest = hashlib.sha256()
    for half in (data.train, data.test):
        digest.update(half.labels.astype("<i8").tobytes())
        digest.update(half.images.astype("<f4").tobytes())
    return digest.hexdigest()
