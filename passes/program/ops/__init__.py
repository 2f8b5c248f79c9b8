"""The operations, one file each; SPEC.md states them in words."""

from .add import Add
from .clamp import Clamp
from .conv import Conv
from .flatten import Flatten
from .pool import MaxPool, SumPool
from .prelu import PRelu
from .real import (
    Affine,
    Quantize,
    RealAdd,
    RealAvgPool,
    RealClip,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealPRelu,
)
from .requantize import Requantize
from .thresholds import Thresholds

__all__ = [
    "Add", "Affine", "Clamp", "Conv", "Flatten", "MaxPool", "PRelu", "Quantize", "RealAdd",
    "RealAvgPool", "RealClip", "RealConv", "RealFlatten", "RealMaxPool", "RealPRelu", "Requantize",
    "SumPool", "Thresholds",
]
