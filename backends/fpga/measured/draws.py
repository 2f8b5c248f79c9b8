"""Engines to hold counted resources against: drawn at random, each named by kind and number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..engines import Engine
from . import element_draws, window_draws
from .drawing import Rng

KINDS: Mapping[str, Callable[[Rng], Engine]] = {
    "codes": window_draws.codes,
    "fixed": window_draws.fixed,
    "depthwise": window_draws.depthwise,
    "pool": window_draws.pool,
    "global pool": window_draws.global_pool,
    "threshold": element_draws.thresholds,
    "requantize": element_draws.requantize,
    "prelu": element_draws.prelu,
    "clamp": element_draws.clamp,
    "add": element_draws.add,
    "multiply": element_draws.multiply,
    "concat": element_draws.concat,
    "rearrange": element_draws.rearrange,
    "interpolate": element_draws.interpolate,
    "lookup": element_draws.lookup,
}
"""What is drawn: kinds of engines, matrix-vector in low bits and in fixed point."""


def draw(kind: str, number: int) -> tuple[Engine, str]:
    """Return an engine of a kind of ``KINDS``, folded, and the form to build it in."""
    rng = np.random.default_rng([sum(map(ord, kind)), number])
    engine = KINDS[kind](rng)
    return engine, str(rng.choice(engine.forms))
