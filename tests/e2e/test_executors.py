"""Every shipped network, all held-back digits: interpreter, binaries and datapath agree."""

from __future__ import annotations

import numpy as np
import pytest

import n2uqc
from n2uqc.api.executors import USUAL, run_all
from n2uqc.models import data, shipped
from n2uqc.passes.program import quantize_input, real_output

POINTS = 1.5  # of accuracy that quantization may cost


@pytest.mark.parametrize("bits", [2, *(pytest.param(b, marks=pytest.mark.slow) for b in (3, 4))])
def test_every_executor_gives_the_same_integers(bits: int) -> None:
    test = data.digits().test
    program = n2uqc.load(shipped.path(f"digits_{bits}bit"))
    outcomes = run_all(program, quantize_input(program, test.images))
    assert [outcome.target.name for outcome in outcomes] == list(USUAL)
    reference = outcomes[0].output
    assert reference is not None
    assert len(reference) == 540
    for outcome in outcomes[1:]:
        assert not outcome.missing
        assert outcome.output is not None
        np.testing.assert_array_equal(outcome.output, reference, outcome.target.name)
    right = (real_output(program, reference).argmax(axis=1) == test.labels).mean()
    assert 100 * right >= 100 * shipped.record("digits_float")["accuracy"] - POINTS
