"""What an engine is made of, counted from its widths and folding: the terms of the area formulas.

Each term is a number of LUTs or flip-flops that the structure suggests (an adder: one a bit);
``model`` scales the terms by coefficients fitted to synthesis.  Everything here, in ``windows`` and
in ``elements`` mirrors ``units``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..engines import Engine, WindowTiming
from .count import DEVICES, Count, Structure
from .elements import ELEMENTS
from .windows import window

LUT_INPUTS: Mapping[str, int] = {name: device.lut for name, device in DEVICES.items()}
"""By family."""


def structure(engine: Engine, form: str, family: str) -> Structure:
    """The terms of a folded engine in one of its forms."""
    count = Count(DEVICES[family])
    kind = engine.kind
    if isinstance(engine.timing, WindowTiming):
        window(count, engine, form)
    else:
        ELEMENTS[kind](count, engine, form)
    count.all.lut["engine"] += 1
    count.all.ff["state"] += engine.timing.latency
    return count.all
