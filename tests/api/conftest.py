"""The shipped network, its program and some digits."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.models import data

from ..shipped_network import model, program

__all__ = ["images", "model", "program"]


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Five held-back digits."""
    return data.digits().test.images[:5]
