"""The shipped network, its program and some digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.models import data, shipped


@pytest.fixture(scope="session")
def model() -> Path:
    """The shipped 2-bit network."""
    return shipped.path("digits_2bit")


@pytest.fixture(scope="session")
def program(model: Path) -> n2uqc.Program:
    """Its integer program."""
    return n2uqc.load(model)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Five held-back digits."""
    return data.digits().test.images[:5]
