"""Sweeps: what is varied, the points that it makes, what computes them, the store they end in."""

from .plan import SweepPlan, SweepRow, plan_sweep
from .run import run_plan
from .spec import SweepSpec, read_spec
from .store import Stored, SweepStore

__all__ = [
    "SweepPlan",
    "SweepRow",
    "Stored",
    "SweepSpec",
    "SweepStore",
    "plan_sweep",
    "read_spec",
    "run_plan",
]
