"""Drawn inputs: images that a program quantizes to the integers they were made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.program import quantize_inputs
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
