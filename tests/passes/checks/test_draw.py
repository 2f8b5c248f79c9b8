"""Drawn inputs: images that a program quantizes to the integers they were made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2uqc.passes.checks.draw import _drawn, affordable, as_images, drawn
from n2uqc.passes.program import IntType, MaxPool, quantize_inputs
from n2uqc.passes.program.boundary import input_types

from ...properties.programs import Builder


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_images_of_integers(signed: bool, channels_last: bool) -> None:
    b = Builder(0, 3, 2, 4, signed)
    program = b.finish(b.thresholds(b.conv("x", 2, bits=1), 1))
    (port,) = program.interface.inputs
    shape = (3, 3, 2) if channels_last else (2, 3, 3)
    port = replace(port, shape=shape, channels_last=channels_last)
    program = replace(program, interface=replace(program.interface, inputs=(port,)))
    integers = drawn(program, 20, 7)
    ((_, kind),) = input_types(program)
    (values,) = integers.values()
    assert values.shape == (20, 3, 3, 2)
    assert (values.min(), values.max()) == (kind.lo, kind.hi)
    images = as_images(program, integers, 7)
    assert images[port.name].shape == (20, *shape)
    for name, got in quantize_inputs(program, images).items():
        np.testing.assert_array_equal(got, values, err_msg=name)
    whole = images[port.name] / float(kind.scale or 1)
    assert (whole != np.rint(whole)).any()


@pytest.mark.parametrize(
    ("lo", "hi", "zero"), [(-5, 7, 0), (0, 7, 0), (-5, 0, 0), (3, 7, 3), (-7, -3, -3)]
)
def test_what_each_sample_is_like(lo: int, hi: int, zero: int) -> None:
    """Ends and zero first, then in turn: channels alike, both ends, ramps, points, ends, noise."""
    shape = (5, 6, 3)
    x = _drawn(IntType.ranged(shape, lo, hi), 43, np.random.default_rng(3))
    assert x.shape == (43, *shape) and (x >= lo).all() and (x <= hi).all()
    for sample, value in zip(x, (lo, hi, zero), strict=False):
        assert (sample == value).all()
    boards = set()
    for n, sample in enumerate(x):
        kind = n % 8
        if n < 3:
            continue
        if kind == 3:
            assert (sample == sample[0, 0]).all()
        elif kind == 4:  # neighbors differ, along every axis
            assert set(np.unique(sample)) == {lo, hi}
            assert all((np.diff(sample, axis=axis) != 0).all() for axis in range(3))
            boards.add(int(sample[0, 0, 0]))
        elif kind == 5:
            flat = sample.ravel()
            assert (flat[0], flat[-1]) == (lo, hi) and (np.diff(flat) >= 0).all()
            assert set(flat) == set(range(lo, hi + 1))
        elif kind == 6:
            places = sample != zero
            assert places.sum() <= 1 and set(sample[places]) <= {lo, hi}
        elif kind == 7:
            assert set(np.unique(sample)) <= {lo, hi}
        elif kind in (0, 2):  # of the whole range
            assert len(np.unique(sample)) == hi - lo + 1
    assert boards == {lo, hi}
    small = [np.abs(x[n] - zero).mean() for n in range(9, 43, 8)]
    assert max(small) < max(hi - zero, zero - lo) / 2  # at most half the amplitude


@pytest.mark.parametrize(
    ("side", "wanted", "found"), [(8, 64, 64), (1024, 64, 8), (3000, 64, 1), (3000, 1, 1)]
)
def test_large_maps_are_drawn_less_often(side: int, wanted: int, found: int) -> None:
    """Two channels of 1024x1024 values are 2^21, of which 8 are 2^24."""
    b = Builder(0, side, 2, 2, False)
    assert affordable(b.finish(b.add(MaxPool, "x", kernel=(2, 2))), wanted) == found
