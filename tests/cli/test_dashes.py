"""``-``: standard input and standard output in the place of files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.passes.program import save
from tests.properties.programs import Builder


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small program."""
    b = Builder(1, 4, 3, 4, True)
    path = tmp_path_factory.mktemp("small") / "net.n2uq"
    save(b.finish(b.requantize(b.conv("x", 5, bits=3))), path)
    return path


def _n2uqc(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "n2uqc", *map(str, arguments)],
        input=given,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def _npy(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(shape, np.float32))
    return buffer.getvalue()


def test_arrays_through_a_pipe(net: Path) -> None:
    program = n2uqc.load(net)
    shape = (2, *program.interface.input.shape)
    done = _n2uqc("simulate", net, "-i", "-", "-o", "-", given=_npy(shape))
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        np.load(io.BytesIO(done.stdout)), program(np.zeros(shape, np.float32))
    )
    assert b"2 samples" in done.stderr


def test_a_model_through_a_pipe(net: Path) -> None:
    done = _n2uqc("inspect", "-", "--json", given=net.read_bytes())
    assert json.loads(done.stdout) == n2uqc.inspect(net).to_json()
    done = _n2uqc("compile", "-", "-t", "program", "-o", "-", given=net.read_bytes())
    assert (done.returncode, done.stdout) == (0, net.read_bytes())
    done = _n2uqc("cost", "-", "--html", "-", given=net.read_bytes())
    assert done.returncode == 0 and done.stdout.rstrip().endswith(b"</html>")
    assert b"N2UQ" in done.stderr  # what is printed stands apart


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("simulate", "-", "-i", "-"), b"can be read once"),
        (("cost", "-", "-"), b"can be read once"),
        (("verify", "{net}", "-o", "-", "--json"), b"two results go to standard output"),
        (("simulate", "{net}", "-i", "-", "-o", "-", "--dump", "-"), b"two results"),
        (("inspect", "-"), b"empty"),
        (("compile", "{net}", "-t", "host", "-o", "-"), b"a folder is wanted"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], words: bytes, net: Path) -> None:
    done = _n2uqc(*(word.format(net=net) for word in arguments))
    assert done.returncode == 2 and words in done.stderr and not done.stdout


def test_closed_standard_input(net: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "n2uqc", "simulate", "-", "-i", tmp_path / "x.npy", "-o", "y"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *map(str, command)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 2 and "standard input, which is closed" in done.stderr
