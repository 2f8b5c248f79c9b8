"""Hardware cost of a program: N2UQ's tables against uniform quantizers and nonuniform levels."""

from .compare import Comparison, LayerComparison, compare
from .figures import design_figures
from .quantizers import DRESSES
from .trained import Accuracy, Effort, Trained

__all__ = [
    "DRESSES",
    "Accuracy",
    "Comparison",
    "Effort",
    "LayerComparison",
    "Trained",
    "compare",
    "design_figures",
]
