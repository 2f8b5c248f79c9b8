"""The integer Program: types, operations, legality, meaning, text and storage (see SPEC.md)."""

from . import ops
from .boundary import (
    SaturationWarning,
    quantize_input,
    quantize_inputs,
    real_output,
    real_outputs,
    result_names,
)
from .interface import Interface, Port
from .interpreter import RangeError, run, run_real, steps, trace
from .named import InputError, Runner
from .operation import ConstRef, IllegalOp, Op
from .ops import *  # noqa: F403
from .program import MemoryPlan, Program
from .ranges import Accumulator, accumulators, channel_ranges, steps_between_drains
from .store import StoreError, load, save
from .text import TextError, dump, parse
from .types import Constant, IntType, RealType, TensorType
from .verify import verify

__all__ = [
    "Accumulator",
    "ConstRef",
    "Constant",
    "IllegalOp",
    "InputError",
    "IntType",
    "Interface",
    "MemoryPlan",
    "Op",
    "Port",
    "Program",
    "RangeError",
    "RealType",
    "Runner",
    "SaturationWarning",
    "StoreError",
    "TensorType",
    "TextError",
    "accumulators",
    "channel_ranges",
    "dump",
    "load",
    "parse",
    "quantize_input",
    "quantize_inputs",
    "real_output",
    "real_outputs",
    "result_names",
    "run",
    "run_real",
    "save",
    "steps",
    "steps_between_drains",
    "trace",
    "verify",
]
__all__ += ops.__all__
