"""Small files of users: what is read, and what is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from n2uqc.backends import read_manifest
from n2uqc.console.files import read_text
from n2uqc.frontend import bounded_file
from n2uqc.frontend.bounded_file import read_bounded
from n2uqc.frontend.diagnostics import CompileError
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
