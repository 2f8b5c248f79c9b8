"""Hardware cost of a program: N2UQ's tables against uniform quantizers and nonuniform levels."""

from .compare import Comparison, LayerComparison, compare
from .technology import TECHNOLOGIES, Basis, Technology

__all__ = ["TECHNOLOGIES", "Basis", "Comparison", "LayerComparison", "Technology", "compare"]
