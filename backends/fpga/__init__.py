"""The FPGA-style datapath: folded engines and their bit- and cycle-accurate simulation.

DATAPATH.md defines the hardware and its timing. TVM is imported only when a kernel is compiled.
"""

from .describe import describe
from .design import Design, plan
from .engines.engine import Fold
from .folding import Folding, default_folding
from .pipeline import Pipeline, build_pipeline
from .simulate import EdgeReport, EngineReport, Simulation, Simulator, simulate
from .timing import Timing, simulate_timing

__all__ = [
    "Design",
    "EdgeReport",
    "EngineReport",
    "Fold",
    "Folding",
    "Pipeline",
    "Simulation",
    "Simulator",
    "Timing",
    "build_pipeline",
    "default_folding",
    "describe",
    "plan",
    "simulate",
    "simulate_timing",
]
