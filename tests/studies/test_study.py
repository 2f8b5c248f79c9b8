"""A study of two methods on few samples, tuned, tested, costed and written, and done once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("statsmodels", reason="the study needs its statistics")
pytest.importorskip("matplotlib", reason="its pages have plots")

import n2uqc
from n2uqc.studies import datasets, design, training
from n2uqc.studies.datasets import Prepared
from n2uqc.studies.page import page


def _prepared(name: str, _: Path, folder: Path, *, fetch: bool) -> Prepared:
    assert fetch
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    centers = random.standard_normal((3, 1, 8, 8))
    files, counts = {}, {"fit": 120, "validation": 60, "train": 180, "test": 60}
    for part, count in counts.items():
        files[part] = folder / f"{part}.npz"
        labels = np.arange(count) % 3
        images = centers[labels] + random.standard_normal((count, 1, 8, 8))
        np.savez(files[part], images=images.astype(np.float32), labels=labels)
    return Prepared(name, files, counts, 3, (1, 8, 8), {"scale": 1.0})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the quick study one of two methods and a few samples."""
    quick = design.Extent(
        "quick", ("optdigits",), (2,), 2, 1, (0.01,), (1.0,), ("linear",), 1, 1, ("n2uq", "lsq"),
        (), every_processor=False,
    )  # fmt: skip
    monkeypatch.setitem(design.EXTENTS, "quick", quick)  # type: ignore[arg-type]
    monkeypatch.setattr(datasets, "prepare", _prepared)
    monkeypatch.setattr(training, "PROCESSOR", "cortex-m4")
    for name in [*design.METHODS]:
        if name not in ("N2UQ", "LSQ"):
            monkeypatch.delitem(design.METHODS, name)  # type: ignore[arg-type]


@pytest.mark.usefixtures("small")
def test_a_whole_study(tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="instructions are counted under emulation")
    found = n2uqc.study("quick", tmp_path)
    assert [each["method"] for each in found.record["cells"]] == ["N2UQ", "LSQ"]
    networks = [each for cell in found.record["cells"] for each in cell["networks"]]
    assert len(networks) == 4 and not any("failed" in each for each in networks)
    assert [each["float_right"] for each in networks[:2]] == [
        each["float_right"] for each in networks[2:]
    ]  # pairs begin with one float network
    assert all(abs(each["right"] - each["torch_right"]) <= 1 for each in networks)
    assert ["instructions" in each for each in networks] == [True, False, True, False]
    assert json.loads((tmp_path / "study.json").read_text()) == found.to_json()
    assert (tmp_path / "study.md").read_text(encoding="utf-8") == page(found.record)
    assert "N2UQ 2 bits" in (tmp_path / "pareto-optdigits.html").read_text(encoding="utf-8")
    assert "N2UQ minus rival" in found.text() and found.summary().startswith("quick study, N2UQ")
    before = (tmp_path / "sweep.sqlite").read_bytes()
    assert n2uqc.study("quick", tmp_path).record == found.record
    assert (tmp_path / "sweep.sqlite").read_bytes() == before  # nothing was computed again


def test_tuning_and_test_use_other_samples_and_seeds() -> None:
    """The test set is named by no recipe before everything is chosen."""
    full = design.EXTENTS["full"]
    assert full.seeds >= 10 and full.seeds <= design.TUNING_SEED
    for extent in design.EXTENTS.values():
        assert set(extent.datasets) <= set(datasets.TITLES)
        assert {cell.bits for cell in extent.cells()} == {2, 3, 4}
        assert {cell.method for cell in extent.cells()} >= {*design.METHODS}


def test_requests_that_cannot_be(tmp_path: Path) -> None:
    for options, message in (
        ({"datasets": ["cifar"]}, "--datasets cifar: there are fashion, mnist, optdigits, watch"),
        ({"bits": [5]}, "--bits 5: there are 2, 3, 4"),
        ({"seeds": 0}, "--seeds 0: at least 1"),
    ):
        with pytest.raises(n2uqc.UserError, match=message):
            n2uqc.study("quick", tmp_path / "out", **options)  # type: ignore[arg-type]
        assert not (tmp_path / "out").exists()
