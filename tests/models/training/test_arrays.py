"""Samples from files: .npz, IDX, CSV, folders of images; whole ones, and damaged ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from n2uqc.models.training.datasets import Normalizer, open_data  # noqa: E402
from n2uqc.models.training.read_recipe import read_recipe  # noqa: E402
from n2uqc.models.training.recipe import Recipe, RecipeError  # noqa: E402

DRAWN = np.random.default_rng(0)
IMAGES = DRAWN.integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)
LABELS = np.arange(10) % 3


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def recipe(data: dict[str, Any], **tables: Any) -> Recipe:
    return read_recipe({"output": "out", "data": data, **tables})


def everything(given: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Return all samples and labels in the order of the file."""
    data = open_data(given)
    whole = data.training.dataset  # type: ignore[attr-defined]
    pairs = [whole[index] for index in range(len(whole))]
    labels = np.array([int(label) for _, label in pairs])
    return torch.stack([torch.as_tensor(sample) for sample, _ in pairs]).numpy(), labels


def idx(array: np.ndarray, kind: int) -> bytes:
    """Return a file as its definition (LeCun's page on MNIST) has it."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return (
        bytes((0, 0, kind, array.ndim))
        + sizes
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@pytest.mark.parametrize(
    ("channels", "stored", "wanted"),
    [
        ("first", IMAGES, IMAGES),
        ("last", IMAGES.transpose(0, 2, 3, 1), IMAGES),
        ("none", IMAGES[:, 0], IMAGES[:, :1]),
        ("first", IMAGES[:, 0].astype(np.float64), IMAGES[:, 0].astype(np.float32)),
        ("first", IMAGES[:, 0, 0].astype(np.int64), IMAGES[:, 0, 0].astype(np.float32)),
    ],
)
def test_npz(channels: str, stored: np.ndarray, wanted: np.ndarray) -> None:
    np.savez("a.npz", x=stored, y=LABELS)
    data = {"format": "npz", "path": "a.npz", "images": "x", "labels": "y", "channels": channels}
    images, labels = everything(recipe(data))
    assert images.dtype == wanted.dtype
    np.testing.assert_array_equal(images, wanted)
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("packed", [False, True])
def test_idx(packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    Path("x").write_bytes(pack(idx(IMAGES[:, 0], 8)))
    Path("y").write_bytes(pack(idx(LABELS.astype(np.int32), 12)))
    images, labels = everything(recipe({"format": "idx", "images": "x", "labels": "y"}))
    np.testing.assert_array_equal(images, IMAGES[:, :1])
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("shape", [None, [3, 4]])
def test_csv(shape: list[int] | None) -> None:
    values = np.round(DRAWN.standard_normal((10, 12)), 3)
    names = ["walk", "run", "rest"]
    rows = [["v0", "kind", *(f"v{k}" for k in range(1, 12))]]
    for row, label in zip(values, LABELS, strict=True):
        rows.append([str(row[0]), names[label], *map(str, row[1:])])
    Path("s.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    data: dict[str, Any] = {"format": "csv", "path": "s.csv", "label": "kind"}
    given = recipe(data | ({"shape": shape} if shape else {}))
    images, labels = everything(given)
    np.testing.assert_array_equal(images, values.astype(np.float32).reshape(10, *(shape or [12])))
    assert open_data(given).names == ("rest", "run", "walk")
    assert [("rest", "run", "walk")[k] for k in labels] == [names[k] for k in LABELS]


def test_folder_and_its_test() -> None:
    image = pytest.importorskip("PIL.Image", reason="folders of images need Pillow")
    for part in ("train", "test"):
        for k, pixels in enumerate(IMAGES):
            place = Path(part, f"class{LABELS[k]}")
            place.mkdir(parents=True, exist_ok=True)
            image.fromarray(pixels.transpose(1, 2, 0)).save(place / f"{k}.png")
    tables = {"test": {"format": "folder", "path": "test"}}
    given = recipe({"format": "folder", "path": "train"}, **tables)
    images, labels = everything(given)
    order = np.argsort(LABELS, kind="stable")
    np.testing.assert_array_equal(images, IMAGES[order])
    np.testing.assert_array_equal(labels, LABELS[order])
    assert open_data(given).final_name == "test"
    small = {"format": "folder", "path": "train", "size": [2, 3], "gray": True}
    assert open_data(recipe(small)).shape == (1, 2, 3)
    Path("test", "other").mkdir()
    with pytest.raises(RecipeError, match=r"test\.path: test has the folders .*other; it holds"):
        open_data(given)
    Path("train/class0/0.png").write_bytes(b"no image")
    with pytest.raises(RecipeError, match=r"data\.path: train/class0/0\.png is not a readable"):
        open_data(given)


NPZ = {"format": "npz", "path": "a.npz"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "data.labels: a.npz holds the arrays images, no labels"),
        (
            {"images": IMAGES, "labels": LABELS[:9]},
            r"labels of shape \(9,\).*\(10,\), one for each",
        ),
        ({"images": IMAGES, "labels": LABELS / 2}, "dtype float64; they are integers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "data: label -1; classes are 0, 1"),
        ({"images": IMAGES[:, 0, 0, 0], "labels": LABELS}, r"samples of shape \(10,\)"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, r"samples of shape \(0, 3, 4, 5\)"),
        ({"images": IMAGES * np.nan, "labels": LABELS}, "data: sample 0 has values that are not"),
        ({"images": IMAGES[:1], "labels": LABELS[:1]}, "split.validation: 0 of 1 samples"),
    ],
)
def test_arrays_that_do_not_fit(arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez("a.npz", **arrays)
    with pytest.raises(RecipeError, match=message):
        open_data(recipe(NPZ))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"normalize": {"mean": [0.1, 0.2]}}, "normalize.mean: 2 numbers for 3 channels"),
        ({"augment": {"crop": [5, 5]}}, r"augment.crop: \[5, 5\]; samples have the sizes \[4, 5\]"),
        (
            {"test": NPZ | {"path": "t.npz"}},
            r"test: samples \[3, 4, 4\], those of data \[3, 4, 5\]",
        ),
        ({"test": NPZ | {"path": "l.npz"}}, "test: label 3; those of data reach from 0 to 2"),
    ],
)
def test_tables_that_do_not_fit(tables: dict[str, Any], message: str) -> None:
    np.savez("a.npz", images=IMAGES, labels=LABELS)
    np.savez("t.npz", images=IMAGES[..., :4], labels=LABELS)
    np.savez("l.npz", images=IMAGES, labels=LABELS + 1)
    with pytest.raises(RecipeError, match=message):
        open_data(recipe(NPZ, **tables))


def test_damaged_files() -> None:
    whole = idx(IMAGES[:, 0], 8)
    Path("y").write_bytes(idx(LABELS.astype(np.uint8), 8))
    for content in (b"", whole[:3], whole[:9], whole[:-1], b"\1" + whole[1:], b"\x1f\x8b" + whole):
        Path("x").write_bytes(content)
        with pytest.raises(RecipeError, match=r"data\.images: x is not a readable IDX file"):
            open_data(recipe({"format": "idx", "images": "x", "labels": "y"}))
    np.savez("a.npz", images=IMAGES, labels=LABELS)
    for content in (b"", Path("a.npz").read_bytes()[:300], b"PK\3\4nothing"):
        Path("a.npz").write_bytes(content)
        with pytest.raises(RecipeError, match=r"data\.path: a\.npz is not a readable \.npz file"):
            open_data(recipe(NPZ))
    np.savez("a.npz", images=np.array([None, {}]), labels=LABELS)
    with pytest.raises(RecipeError, match="not a readable"):
        open_data(recipe(NPZ))
    for text, message in (
        ("", "not a readable CSV"),
        ("a,b\n1,2\n", "has no column label; first are a, b"),
        ("label,b\n1,2\n0,x\n", "row 3 is not a class and 1 numbers"),
        ("label,b\n1,2\n0,2,3\n", "row 3 is not a class and 1 numbers"),
    ):
        Path("s.csv").write_text(text)
        with pytest.raises(RecipeError, match=message):
            open_data(recipe({"format": "csv", "path": "s.csv"}))


def test_normalization_is_that_of_raw_pixels() -> None:
    """The formula of `--pixels SCALE --mean M --std S`, and the middle window."""
    np.savez("a.npz", images=IMAGES, labels=LABELS)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    given = recipe(
        NPZ, normalize={"scale": 1 / 255, "mean": mean, "std": std}, augment={"crop": [2, 2]}
    )
    data = open_data(given)
    assert data.shape == (3, 2, 2)
    normalizer = Normalizer(given, data.shape)
    got = normalizer.middle(normalizer.values(torch.from_numpy(IMAGES))).numpy()
    axes = (1, 3, 1, 1)
    want = (IMAGES / 255 - np.reshape(mean, axes)) / np.reshape(std, axes)
    np.testing.assert_allclose(got, want[:, :, 1:3, 1:3], rtol=1e-5, atol=1e-6)


def test_the_split_is_of_the_seed() -> None:
    np.savez("a.npz", images=IMAGES, labels=LABELS)

    def held(seed: int) -> set[int]:
        data = open_data(recipe(NPZ, split={"validation": 0.3, "seed": seed}))
        parts = [set(part.indices) for part in (data.training, data.validation)]  # type: ignore[attr-defined]
        assert parts[0] | parts[1] == set(range(10)) and not parts[0] & parts[1]
        return parts[1]

    assert len(held(0)) == 3
    assert held(0) == held(0)
    assert len({tuple(sorted(held(seed))) for seed in range(5)}) > 1
