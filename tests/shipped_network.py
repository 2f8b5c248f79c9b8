"""Fixtures of the shipped network and its program, for the tests of the API and of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

import n2uqc
from n2uqc.models import shipped


@pytest.fixture(scope="session")
def model() -> Path:
    """The shipped 2-bit network."""
    return shipped.path("digits_2bit")


@pytest.fixture(scope="session")
def program(model: Path) -> n2uqc.Program:
    """Its integer program."""
    return n2uqc.load(model)
