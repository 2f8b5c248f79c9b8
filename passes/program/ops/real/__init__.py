"""The real dialect: the trained network in exact real arithmetic, as it enters the passes.

Parameters are exact (``Surd``, or float32 values held in float64).  A real operation reads an
integer tensor as ``scale * integer`` (scale 1 where the type gives none).  Lowering replaces every
operation of this folder; ``execute`` in float64 serves calibration, checks and reports.

``elementwise.py`` holds the operations that chains before a quantizer are made of, each evaluated
over any ``Number`` of ``algebra.py``; ``layers.py`` holds those that mix channels or positions.
"""

from .algebra import Number, Reals, Row, Table, floats
from .elementwise import Affine, Elementwise, RealClip, RealPRelu
from .enclosure import Enclosure, EnclosureArithmetic
from .function import RealFunction
from .interval import Interval
from .layers import (
    RealAdd,
    RealAvgPool,
    RealConcat,
    RealConv,
    RealFlatten,
    RealLookup,
    RealMaxPool,
)
from .operation import RealOp
from .product import RealMultiply
from .quantize import Quantize, Rules
from .rearrange import RealRearrange

__all__ = [
    "Affine",
    "Elementwise",
    "Enclosure",
    "EnclosureArithmetic",
    "Interval",
    "Number",
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
    "RealOp",
    "RealPRelu",
    "RealRearrange",
    "Reals",
    "Row",
    "Rules",
    "Table",
    "floats",
]
