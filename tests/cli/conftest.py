"""The shipped network, its program and some digits, for every test of the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc import cli
from n2uqc.models import data
from n2uqc.passes.program import save

from ..shipped_network import model, program

__all__ = ["Command", "Result", "command", "images", "model", "program", "program_file", "samples"]


@dataclass(frozen=True)
class Result:
    """What a command did: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs one command line in this process."""

    def run(*arguments: object) -> Result:
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # argparse leaves this way
            status = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def program_file(program: n2uqc.Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, saved."""
    path = tmp_path_factory.mktemp("program") / "digits.n2uq"
    save(program, path)
    return path


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Five held-back digits."""
    return data.digits().test.images[:5]


@pytest.fixture
def samples(images: np.ndarray, tmp_path: Path) -> Path:
    """The same in a file."""
    path = tmp_path / "x.npy"
    np.save(path, images)
    return path
