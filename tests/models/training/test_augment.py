"""Random changes of samples: what comes out is a part of what went in."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from n2uqc.models.training.augment import augmented  # noqa: E402
from n2uqc.models.training.recipe import Augmentation  # noqa: E402


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("sizes", [(6, 5), (7,)])
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize(("shift", "crop"), [(1, 0), (0, 2), (1, 2)])
def test_windows(sizes: tuple[int, ...], channels: int, shift: int, crop: int) -> None:
    """Each sample is one window of the sample between zeros, and every window occurs."""
    x = torch.rand(200, channels, *sizes, generator=generator()) + 1
    kept = tuple(size - crop for size in sizes)
    chosen = Augmentation(shift=shift, crop=kept if crop else None)
    moved = augmented(x, chosen, (channels, *kept), generator())
    wide = torch.nn.functional.pad(x, (shift, shift) * len(sizes))
    places = list(itertools.product(range(2 * shift + crop + 1), repeat=len(sizes)))
    seen = set()
    for image, around in zip(moved, wide, strict=True):
        found = []
        for place in places:
            window = around
            for axis, (first, size) in enumerate(zip(place, kept, strict=True), 1):
                window = window.narrow(axis, first, size)
            if torch.equal(window, image):
                found.append(place)
        assert len(found) == 1
        seen.update(found)
    assert seen == set(places)


def test_flip_noise_and_nothing() -> None:
    x = torch.rand(100, 3, 4, 5, generator=generator())
    shape = (3, 4, 5)
    assert torch.equal(augmented(x, Augmentation(), shape, generator()), x)
    mirrored = augmented(x, Augmentation(flip=True), shape, generator())
    kinds = [
        (torch.equal(a, b), torch.equal(a, b.flip(-1))) for a, b in zip(mirrored, x, strict=True)
    ]
    assert set(kinds) == {(True, False), (False, True)}
    features = torch.zeros(2000, 6)
    noisy = augmented(features, Augmentation(noise=0.5), (6,), generator())
    assert abs(float(noisy.std()) - 0.5) < 0.02
