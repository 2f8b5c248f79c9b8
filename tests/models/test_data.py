"""The fixed split of the digits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from n2uqc.models import data
from n2uqc.models.data import SPLIT_SHA256, digits, split_hash


def test_sizes_types_and_range() -> None:
    found = digits()
    for half, count in ((found.train, 1257), (found.test, 540)):
        assert half.images.shape == (count, 1, 8, 8) and half.images.dtype == np.float32
        assert half.labels.shape == (count,) and half.labels.dtype == np.int64
        assert len(half) == count
        assert half.images.min() == 0 and half.images.max() == 1
        np.testing.assert_array_equal(half.images * 16, np.rint(half.images * 16))


def test_no_image_is_in_both_halves() -> None:
    found = digits()
    train = {image.tobytes() for image in found.train.images}
    assert not any(image.tobytes() in train for image in found.test.images)


def test_the_halves_are_the_whole_data_set() -> None:
    from sklearn.datasets import load_digits

    found = digits()
    ours = np.concatenate([found.train.images, found.test.images]).reshape(-1, 64) * 16
    labels = np.concatenate([found.train.labels, found.test.labels])
    pixels, targets = load_digits(return_X_y=True)
    key = np.column_stack([ours, labels])
    reference = np.column_stack([pixels, targets])
    np.testing.assert_array_equal(key[np.lexsort(key.T)], reference[np.lexsort(reference.T)])


def test_every_label_is_held_back_in_proportion() -> None:
    found = digits()
    share = np.bincount(found.test.labels) / (
        np.bincount(found.train.labels) + np.bincount(found.test.labels)
    )
    np.testing.assert_allclose(share, 0.3, atol=0.005)


def test_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        digits().train.images[0] = 0


def test_another_process_sees_the_same_split_without_torch() -> None:
    program = (
        "import sys\n"
        "from n2uqc.models.data import digits, split_hash\n"
        "print(split_hash(digits()), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.split() == [SPLIT_SHA256, "False"], run.stderr
    assert split_hash(digits()) == SPLIT_SHA256


def test_another_shuffle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SPLIT_SEED", 1)
    with pytest.raises(RuntimeError, match="digits split differs"):
        digits.__wrapped__()
