"""The patterns of exporters, one per file; `PATTERNS` lists them in the order of application.

To add a pattern, add a file with a `Pattern` and a line here.
"""

from __future__ import annotations

from .bias import CONSTANT_OPERAND
from .broadcast import BROADCAST
from .channels_last import CHANNELS_LAST_POOL, CHANNELS_LAST_PRODUCT
from .channels_last_input import CHANNELS_LAST_INPUT
from .code_offset import OFFSET
from .companding import COMPANDING
from .convolution import BATCH_NORM, CONVOLUTION
from .expectation import EXPECTATION
from .extremes import EXTREME
from .functions import FUNCTION
from .head import FLATTEN, GEMM, MATMUL, RESHAPE_TARGET
from .joined_codes import JOINED_CODES
from .joins import CONCAT, CONCAT_AXIS, CONCAT_CONSTANT, SUM
from .mean_axes import MEAN_AXES
from .move_down import ABSORB, MOVE_DOWN
from .negation import DIFFERENCE, NEGATION
from .output_scale import OUTPUT_SCALE
from .overflow_guard import OVERFLOW_GUARD
from .pact import PACT
from .pad import PAD
from .pattern import Context, Pattern, Refused
from .pooling import GLOBAL_MAX, MEAN, POOL
from .prelu import PRELU
from .qdq import DEQUANTIZE
from .qonnx import BIPOLAR, MULTI_THRESHOLD, QUANT, TRUNC
from .quotient import QUOTIENT
from .rearrange import REARRANGE
from .relu import BOUND, CLIP
from .resize import RESIZE
from .round_quantizer import ROUND_AWAY, ROUND_QUANTIZER
from .softmax import SOFTMAX
from .squeeze import SQUEEZE
from .step_function import STEP_FUNCTION
from .straight_through import STRAIGHT_THROUGH
from .strided_view import STRIDED_VIEW
from .sums import SUMS
from .threshold_ladder import LADDER, SUM_OF_COMPARISONS
from .transpose import TRANSPOSE
from .transposed_convolution import TRANSPOSED_CONVOLUTION
from .weight_grid import MATRIX_GRID, WEIGHT_GRID
from .weight_quantizer import WEIGHT_QUANTIZER

__all__ = ["EXPECTATION", "PATTERNS_BEFORE_FOLDING", "PATTERNS", "Context", "Pattern", "Refused"]

PATTERNS_BEFORE_FOLDING: tuple[Pattern, ...] = (
    SQUEEZE,  # before the shapes that follow are relied on
    CHANNELS_LAST_INPUT,  # before quantizers: they take channels on axis 1
    QUANT,  # QONNX and QDQ first: other patterns then see the constants that they quantize
    BIPOLAR,
    TRUNC,
    MULTI_THRESHOLD,
    DEQUANTIZE,
    BROADCAST,  # after patterns that make constants, before those that read their number of values
    CHANNELS_LAST_PRODUCT,
    CHANNELS_LAST_POOL,
    TRANSPOSE,
    CHANNELS_LAST_INPUT,  # again: canceled Transposes have exposed new matches
    WEIGHT_QUANTIZER,
    ROUND_AWAY,  # before its Sign is taken for a step function
    OVERFLOW_GUARD,  # before its comparison is taken for a quantizer's
    COMPANDING,  # before its pieces are taken for quantizers
    STEP_FUNCTION,  # what is left of a ladder is refused here, with the reason
    SUM_OF_COMPARISONS,  # before ladders: its terms may be ladders of one rung
    LADDER,
    PACT,  # after ladders, whose form its clip has; before the pair around it
    ROUND_QUANTIZER,
    STRAIGHT_THROUGH,
    OUTPUT_SCALE,
    STRIDED_VIEW,
    RESHAPE_TARGET,
    RESIZE,
    PAD,  # in front of convolutions; other padding moves elements
    CONCAT_CONSTANT,
    CONCAT_AXIS,
    SOFTMAX,  # before its means and maxima are turned
    SUMS,
    MEAN_AXES,
    REARRANGE,  # before folding: shapes that follow from the batch are still told from numbers
)
"""Patterns that need the structure of constant subgraphs, to tell a clip from a scale."""

PATTERNS: tuple[Pattern, ...] = (
    QUOTIENT,  # before its reciprocal is taken into a function
    FUNCTION,  # before the operators that it takes are refused, or changed
    TRANSPOSED_CONVOLUTION,
    WEIGHT_GRID,
    BOUND,
    CLIP,
    EXTREME,  # after bounds; before the differences that it makes
    MATMUL,
    SUM,
    NEGATION,
    DIFFERENCE,
    CONCAT,
    CONSTANT_OPERAND,
    PRELU,
    MEAN,
    GLOBAL_MAX,
    POOL,
    FLATTEN,
    GEMM,
    MATRIX_GRID,
    CONVOLUTION,
    BATCH_NORM,
    OFFSET,
    MOVE_DOWN,  # in canonical form: constants are one value a channel
    ABSORB,
    JOINED_CODES,  # once movements are out of the way
)
"""Patterns that need every constant as a parameter."""
