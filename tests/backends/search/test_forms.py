"""Forms are part of what is searched: low-bit products go into multiplier blocks that are idle."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from n2uqc.backends.cost import compare
from n2uqc.backends.fpga import Folding, plan
from n2uqc.backends.search import DEVICES, price, search

from ..cost.networks import residual


@pytest.mark.parametrize(("name", "lut"), [("xc7z020", 14_000), ("ecp5-85", 16_000)])
def test_idle_multiplier_blocks_make_a_small_device_faster(name: str, lut: int) -> None:
    program = residual(4, (16,))
    device = replace(DEVICES[name], lut=lut, dsp=220)
    few = replace(device, dsp=40)
    found, without = (search(program, device=part) for part in (device, few))
    packed = [name for name in found.folding.engines if found.design.form(name) == "packed"]
    assert packed and dict.fromkeys(packed, "packed") == found.folding.forms
    assert found.fps > without.fps
    assert without.total.dsp <= few.room("dsp") < found.total.dsp <= device.room("dsp")
    assert found.total.lut <= device.room("lut")
    # what is written down is what is built again, and what `cost` says of it
    again = Folding.from_json(json.dumps(found.to_dict()), program)
    assert again == found.folding
    assert price(program, again, device=device).rows() == found.rows()
    own = compare(plan(program, again, family=device.family)).own
    assert (own["lut"], own["dsp"]) == (found.total.lut, found.total.dsp)


def test_without_a_device_no_block_is_taken_that_is_not_needed() -> None:
    program = residual(4, (16,))
    assert not plan(program).folding.forms
    assert not search(program, target_fps=1000).folding.forms
