"""Hardware cost of a program: N2UQ's tables against uniform quantizers and nonuniform levels."""

from .compare import Comparison, LayerComparison, compare
from .own import own

__all__ = ["Comparison", "LayerComparison", "compare", "own"]
