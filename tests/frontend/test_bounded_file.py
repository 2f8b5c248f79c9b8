"""Small files of users: what is read, and what is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from n2uqc.api.errors import UserError
from n2uqc.backends import read_manifest
from n2uqc.console.files import map_array, open_or_refuse, read_array, read_named, read_text
from n2uqc.frontend import bounded_file
from n2uqc.frontend.bounded_file import read_bounded
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.models.checkpoint import read_checkpoint
from n2uqc.models.training.read_recipe import read_toml


def test_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert read_bounded(tmp_path / "x") == read_bounded(tmp_path / "link") == b"text"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_anything_else(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe without a writer would block, a device never end."""
    path = tmp_path / "manifest.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        monkeypatch.setattr(bounded_file, "MOST", 3)
        path.write_bytes(b"1234")
    with pytest.raises(OSError, match="no ordinary file|at most 3 are read|directory"):
        read_bounded(path)
    for read in (lambda: read_manifest(tmp_path), lambda: read_text(path), lambda: read_toml(path)):
        with pytest.raises(Exception) as caught:
            read()
        assert type(caught.value).__module__.startswith("n2uqc."), caught.value
    with pytest.raises(CompileError, match="holds no n2uqc artifact"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_files_of_any_size(kind: str, tmp_path: Path) -> None:
    """A pipe given by --calib, --input or --labels was waited for without end."""
    path = tmp_path / "x.npy"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for read in (read_array, map_array, read_named, open_or_refuse):
        with pytest.raises(UserError, match=r"x\.npy: (it is no ordinary file|Is a directory)"):
            read(path)
    with pytest.raises(OSError, match=r"no ordinary file|directory"):
        read_checkpoint(path)
