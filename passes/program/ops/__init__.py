"""The operations, one file each; SPEC.md states them in words."""

from .add import Add
from .clamp import Clamp
from .concat import Concat
from .conv import Conv
from .flatten import Flatten
from .interpolate import Interpolate
from .lookup import Lookup
from .multiply import Multiply
from .pool import MaxPool, SumPool
from .prelu import PRelu
from .real import (
    Affine,
    Quantize,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealFunction,
    RealLookup,
    RealMaxPool,
    RealMultiply,
    RealPRelu,
    RealRearrange,
)
from .rearrange import Rearrange
from .requantize import Requantize
from .thresholds import Thresholds

__all__ = [
    "Add",
    "Affine",
    "Clamp",
    "Concat",
    "Conv",
    "Flatten",
    "Interpolate",
    "Lookup",
    "MaxPool",
    "Multiply",
    "PRelu",
    "Quantize",
    "RealAdd",
    "RealAvgPool",
    "RealClip",
    "RealConcat",
    "RealConv",
    "RealFlatten",
    "RealFunction",
    "RealLookup",
    "RealMaxPool",
    "RealMultiply",
    "RealPRelu",
    "RealRearrange",
    "Rearrange",
    "Requantize",
    "SumPool",
    "Thresholds",
]
