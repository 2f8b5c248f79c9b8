"""The learned quantizer in float64: the thresholds that each number passes, counted one by one."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.passes.program.exact import Surd
from n2uqc.passes.program.ops.real import Quantize

FEW = [-1.5, -1.0, -0.0, 0.25, 0.5, 2.0**-1074, 1e300]
NUMBERS = st.one_of(st.sampled_from(FEW), st.floats(-2, 2))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 5), st.sampled_from([1, 3]), st.sampled_from([0, 1, 3]))
def test_thresholds_are_counted(data: st.DataObject, count: int, rows: int, ties: int) -> None:
    """Rows for all channels or one each; rules alike, or one for each threshold."""
    row = st.lists(NUMBERS, min_size=count, max_size=count).map(sorted)
    table = data.draw(st.lists(row, min_size=rows, max_size=rows))
    rule = st.lists(st.booleans(), min_size=count, max_size=count).map(tuple)
    strict = data.draw(st.booleans())
    rules = data.draw(st.lists(rule, min_size=ties, max_size=ties))
    op = Quantize(
        output="q",
        inputs=("x",),
        thresholds=tuple(tuple(Surd.of(t) for t in row) for row in table),
        input_scale=Surd.of(1),
        strict=strict,
        step=Surd.of(1),
        bits=3,
        ties=tuple(rules),
    )
    edges = [v for t in {*chain(*table), np.inf} for v in (t, np.nextafter(t, -9), -t, np.nan)]
    x = np.array(edges).repeat(3).reshape(1, -1, 1, 3)
    passed = np.zeros(x.shape, np.int64)
    for c in range(3):
        for k in range(count):
            t = table[c % rows][k]
            above = rules[c % ties][k] if ties else strict
            for place, value in np.ndenumerate(x[..., c]):
                passed[(*place, c)] += bool(value > t if above else value >= t)
    np.testing.assert_array_equal(op.execute([x], {}), passed)
