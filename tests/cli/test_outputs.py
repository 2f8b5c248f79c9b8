"""Outputs onto what is no ordinary file: written through, or refused, never replaced."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from n2uqc.models import shipped
from n2uqc.passes.program import save
from tests.properties.programs import Builder

from .conftest import Command

WRITERS = ("output", "integers", "dump", "html", "certificate", "program")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small program and samples for it."""
    folder = tmp_path_factory.mktemp("small")
    b = Builder(1, 4, 3, 4, True)
    program = b.finish(b.requantize(b.conv("x", 5, bits=3)))
    save(program, folder / "net.n2uq")
    np.save(folder / "x.npy", np.zeros((2, *program.interface.input.shape), np.float32))
    return folder


def _writing(what: str, place: Path, to: Path) -> list[str]:
    net, x, out = str(place / "net.n2uq"), str(place / "x.npy"), str(to)
    return {
        "output": ["simulate", net, "-i", x, "-o", out],
        "integers": ["simulate", net, "-i", x, "-o", out, "--integers"],
        "dump": ["simulate", net, "-i", x, "--dump", out],
        "html": ["cost", net, "--html", out],
        "certificate": ["verify", net, "--executors", "interpreter", "--samples", "2", "-o", out],
        "program": ["compile", net, "--target", "program", "-o", out],
    }[what]


def _is_whole(what: str, data: bytes) -> bool:
    """Whether the file is there to its end, by its own format."""
    if what in ("output", "integers"):
        return len(np.load(io.BytesIO(data))) == 2
    if what in ("dump", "program"):
        import zipfile

        return zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    return data.rstrip().endswith(b"</html>" if what == "html" else b"}")


@pytest.mark.parametrize("what", WRITERS)
def test_a_fifo_takes_the_bytes(what: str, place: Path, command: Command, tmp_path: Path) -> None:
    fifo, got = tmp_path / "fifo", list[bytes]()
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()), daemon=True)
    reader.start()
    done = command(*_writing(what, place, fifo))
    assert done.status == 0, done.err
    reader.join(20)
    assert _is_whole(what, got[0])
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["fifo"]


@pytest.mark.parametrize("what", WRITERS)
def test_a_device_stays_one(what: str, place: Path, command: Command, tmp_path: Path) -> None:
    before = os.stat("/dev/null")
    assert command(*_writing(what, place, Path("/dev/null"))).status == 0
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    assert command(*_writing(what, place, link)).status == 0
    after = os.stat("/dev/null")
    assert (before.st_ino, before.st_rdev, before.st_mode) == (
        after.st_ino,
        after.st_rdev,
        after.st_mode,
    )
    assert link.is_symlink()


@pytest.mark.parametrize("what", [*WRITERS, "folder"])
def test_a_socket_is_refused(what: str, place: Path, command: Command, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        if what == "folder":
            net = place / "net.n2uq"
            done = command("compile", net, "--target", "host", "-o", tmp_path / "s")
        else:
            done = command(*_writing(what, place, tmp_path / "s"))
        assert done.status == 2
        assert "cannot write" in done.err or "is no folder" in done.err
        assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)


@pytest.mark.parametrize("through", ["pipe", "file"])
def test_standard_output_by_its_name(through: str, place: Path, tmp_path: Path) -> None:
    """What was there stays in front, and what is printed later stands behind."""
    writing = _writing("integers", place, Path("/dev/stdout"))
    line = 'printf before; "$@"' + (" | cat" if through == "pipe" else " > out; cat out")
    if through == "file":
        line = '{ printf before; "$@"; } > out; cat out'
    done = subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-m", "n2uqc", *writing],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.startswith(b"before\x93NUMPY"), done.stderr
    assert done.stdout.endswith(b"wrote /dev/stdout: 2 samples\n")
    data = done.stdout.removeprefix(b"before").removesuffix(b"wrote /dev/stdout: 2 samples\n")
    assert _is_whole("integers", data)


def test_a_link_leads_on_and_permissions_stay(
    place: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "net.n2uq", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert command(*_writing("program", place, link)).status == 0
    assert link.is_symlink()
    assert target.read_bytes() == (place / "net.n2uq").read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "real" / "new.n2uq")
    assert command(*_writing("program", place, dangling)).status == 0
    assert dangling.is_symlink() and (tmp_path / "real" / "new.n2uq").is_file()


def test_an_output_without_a_scale_is_integers_only(
    place: Path, command: Command, tmp_path: Path
) -> None:
    b = Builder(1, 4, 3, 4, True)
    save(b.finish(b.conv("x", 5, bits=3)), tmp_path / "sums.n2uq")
    samples = place / "x.npy"
    done = command("simulate", tmp_path / "sums.n2uq", "-i", samples, "-o", tmp_path / "y.npy")
    assert done.status == 2
    assert "has no scale; take its integers (--integers)" in done.err


def test_a_name_for_symbols(place: Path, command: Command, tmp_path: Path) -> None:
    net = place / "net.n2uq"
    done = command("compile", net, "--target", "host", "--name", "eye", "-o", tmp_path / "eye")
    assert done.status == 0, done.err
    header = (tmp_path / "eye/include/n2uqc_eye.h").read_text()
    assert "int n2uqc_eye_run(" in header
    again = tmp_path / "eye.n2uq"
    assert command("compile", net, "-t", "program", "--name", "eye", "-o", again).status == 0
    assert again.read_bytes() == (tmp_path / "eye/program.n2uq").read_bytes()
    done = command("compile", net, "--target", "host", "--name", "My Net", "-o", tmp_path / "o")
    assert done.status == 2
    assert "'my_net'" in done.err


def test_a_protected_file_stays(place: Path, command: Command, tmp_path: Path) -> None:
    target = tmp_path / "net.n2uq"
    target.write_bytes(b"old")
    target.chmod(0o444)
    result = command(*_writing("program", place, target))
    assert result.status == 2 and "it is protected against writing" in result.err
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["net.n2uq"]


@pytest.mark.parametrize(
    "arguments", [["compile", "-t", "fpga", "-o"], ["cost", "--html"]], ids=["folder", "page"]
)
def test_what_does_not_fit_is_named_and_not_left(arguments: list[str], tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    command = [sys.executable, "-m", "n2uqc", *arguments, str(tmp_path / "out")]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *command, str(shipped.path("digits_2bit"))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 2, done.stderr
    assert f"{tmp_path / 'out'}" in done.stderr and "File too large" in done.stderr
    assert not list(tmp_path.iterdir())
