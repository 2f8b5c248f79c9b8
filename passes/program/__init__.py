"""The integer Program: types, operations, legality, meaning, text and storage (see SPEC.md)."""

from .boundary import InputError, SaturationWarning, quantize_input, real_output
from .interface import Interface
from .interpreter import RangeError, run, run_real, steps, trace
from .operation import ConstRef, IllegalOp, Op
from .ops import (
    Add,
    Clamp,
    Concat,
    Conv,
    Flatten,
    Lookup,
    MaxPool,
    PRelu,
    Requantize,
    SumPool,
    Thresholds,
)
from .program import MemoryPlan, Program
from .ranges import Accumulator, accumulators, channel_ranges, steps_between_drains
from .store import StoreError, load, save
from .text import TextError, dump, parse
from .types import Constant, IntType, RealType, TensorType
from .verify import verify

__all__ = [
    "Accumulator",
    "Add",
    "Clamp",
    "Concat",
    "ConstRef",
    "Constant",
    "Conv",
    "Flatten",
    "IllegalOp",
    "InputError",
    "IntType",
    "Interface",
    "Lookup",
    "MaxPool",
    "MemoryPlan",
    "Op",
    "PRelu",
    "Program",
    "RangeError",
    "RealType",
    "Requantize",
    "SaturationWarning",
    "StoreError",
    "SumPool",
    "TensorType",
    "TextError",
    "Thresholds",
    "accumulators",
    "channel_ranges",
    "dump",
    "load",
    "parse",
    "quantize_input",
    "real_output",
    "run",
    "run_real",
    "save",
    "steps",
    "steps_between_drains",
    "trace",
    "verify",
]
