"""Helpers of the draws: an engine of one operation at a random folding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from n2uqc.passes.program import Constant, IntType, Op
from n2uqc.passes.program.types import limits_of

from ..engines import ENGINES, Engine, Fold

Rng = np.random.Generator

CHANNELS = (3, 4, 8, 12, 16, 24, 32, 64, 96, 128, 256, 512)
"""Channels of maps and outputs of layers."""


def engine_of(
    rng: Rng,
    op: Op,
    inputs: Mapping[str, IntType],
    constants: Mapping[str, Constant],
    fits: Callable[[Fold], bool] = lambda fold: True,
    wider: int = 0,
) -> Engine:
    """Return the engine of an operation at a random folding; ``wider``: spare bits of
    its result.
    """
    types = dict(inputs)
    result = op.infer(types, constants)
    assert isinstance(result, IntType)
    types["y"] = result
    if wider:
        types["y"] = replace(types["y"], bits=types["y"].bits + wider)
    program: Any = _Program(types, constants)
    build: Any = ENGINES[type(op)](op, program)
    engine: Engine = build(
        op=op,
        inputs=tuple(types[name] for name in op.inputs),
        output=types["y"],
        constants=constants,
    )
    folds = [Fold(pe, simd) for pe in engine.pe_options for simd in engine.simd_options]
    folds = [fold for fold in folds if fits(fold)]
    return engine.folded(folds[int(rng.integers(len(folds)))])


class _Program:
    """The part of a program that the choice of an engine needs."""

    def __init__(self, types: Mapping[str, IntType], constants: Mapping[str, Constant]) -> None:
        self.types, self.constants = types, constants


def map_type(shape: tuple[int, int, int], bits: int, signed: bool) -> IntType:
    low, high = limits_of(bits, signed)
    return IntType(shape, bits, signed, low, high, Fraction(1))


def one(rng: Rng, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]
