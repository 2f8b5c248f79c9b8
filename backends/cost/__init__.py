"""Hardware cost of a program: uniform quantizers, N2UQ tables and uneven output levels compared."""

from .compare import Comparison, LayerComparison, compare
from .technology import TECHNOLOGIES, Basis, Technology

__all__ = ["TECHNOLOGIES", "Basis", "Comparison", "LayerComparison", "Technology", "compare"]
