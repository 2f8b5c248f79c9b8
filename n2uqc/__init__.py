"""n2uqc: compile networks trained with N2UQ into integer-only programs.

    import n2uqc

    n2uqc.inspect("model.onnx")                         # what was recognized
    program = n2uqc.load("model.onnx")                  # integer Program
    y = program(x)                                      # numpy in, numpy out
    n2uqc.verify("model.onnx")                          # tables proved, executors compared
    n2uqc.compile(program, target="aarch64").save("out/")
    n2uqc.cost("model.onnx")                            # what it costs as hardware
    n2uqc.train("recipe.toml")                          # your own network, on your own data
    n2uqc.convert(network, "net.onnx", data=x)          # a torch network that was trained already

Each command of the command line is a function here; what it prints is the function's result, which
has ``to_json()``, ``text()`` and an HTML form for notebooks. Modules are imported when a name is
first used, so ``import n2uqc`` is fast and needs neither TVM nor torch. ``__all__`` is what is
public: it changes with a note in CHANGELOG.md only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from n2uqc.api.compile import compile
    from n2uqc.api.conversion import Conversion
    from n2uqc.api.convert import convert
    from n2uqc.api.cost import CostComparison, cost
    from n2uqc.api.design import DatapathDesign, design, search
    from n2uqc.api.errors import MissingPart, UserError
    from n2uqc.api.evaluate import AccuracyReport, evaluate
    from n2uqc.api.import_checkpoint import ImportedCheckpoint, import_checkpoint
    from n2uqc.api.inspect import Inspection, ProgramInspection, inspect
    from n2uqc.api.precision import PrecisionSearch, search_precision
    from n2uqc.api.profile import KernelProfile, profile
    from n2uqc.api.simulate import RunResult, run, simulate
    from n2uqc.api.sweep import SweepReport, sweep
    from n2uqc.api.train import TrainingReport, train
    from n2uqc.api.verify import Certificate, verify
    from n2uqc.api.zoo import Reproduction, ShippedNetworks, reproduce, shipped_networks
    from n2uqc.backends import Artifact, ToolchainError, open_artifact
    from n2uqc.backends.fpga import Fold, Folding
    from n2uqc.frontend.diagnostics import CompileError, Problem
    from n2uqc.passes import Options, load
    from n2uqc.passes.checks.promise import PrecisionWarning
    from n2uqc.passes.pixels import Pixels
    from n2uqc.passes.program import (
        IllegalOp,
        InputError,
        Program,
        SaturationWarning,
        StoreError,
        save,
    )
    from n2uqc.studies.study import StudyReport, study

_HOMES = {
    "n2uqc.api.compile": ("compile",),
    "n2uqc.api.conversion": ("Conversion",),
    "n2uqc.api.convert": ("convert",),
    "n2uqc.api.cost": (
        "CostComparison",
        "cost",
    ),
    "n2uqc.api.design": (
        "DatapathDesign",
        "design",
        "search",
    ),
    "n2uqc.api.errors": (
        "MissingPart",
        "UserError",
    ),
    "n2uqc.api.evaluate": (
        "AccuracyReport",
        "evaluate",
    ),
    "n2uqc.api.import_checkpoint": (
        "ImportedCheckpoint",
        "import_checkpoint",
    ),
    "n2uqc.api.inspect": (
        "Inspection",
        "ProgramInspection",
        "inspect",
    ),
    "n2uqc.api.precision": (
        "PrecisionSearch",
        "search_precision",
    ),
    "n2uqc.api.profile": (
        "KernelProfile",
        "profile",
    ),
    "n2uqc.api.simulate": (
        "RunResult",
        "run",
        "simulate",
    ),
    "n2uqc.api.sweep": (
        "SweepReport",
        "sweep",
    ),
    "n2uqc.api.train": (
        "TrainingReport",
        "train",
    ),
    "n2uqc.api.verify": (
        "Certificate",
        "verify",
    ),
    "n2uqc.api.zoo": (
        "Reproduction",
        "ShippedNetworks",
        "reproduce",
        "shipped_networks",
    ),
    "n2uqc.backends": (
        "Artifact",
        "ToolchainError",
        "open_artifact",
    ),
    "n2uqc.backends.fpga": (
        "Fold",
        "Folding",
    ),
    "n2uqc.frontend.diagnostics": (
        "CompileError",
        "Problem",
    ),
    "n2uqc.passes": (
        "Options",
        "load",
    ),
    "n2uqc.passes.checks.promise": ("PrecisionWarning",),
    "n2uqc.passes.options": ("Pixels",),
    "n2uqc.passes.program": (
        "IllegalOp",
        "InputError",
        "Program",
        "SaturationWarning",
        "StoreError",
        "save",
    ),
    "n2uqc.studies.study": (
        "StudyReport",
        "study",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AccuracyReport",
    "Artifact",
    "Certificate",
    "CompileError",
    "Conversion",
    "CostComparison",
    "DatapathDesign",
    "Fold",
    "Folding",
    "IllegalOp",
    "ImportedCheckpoint",
    "InputError",
    "Inspection",
    "KernelProfile",
    "MissingPart",
    "Options",
    "Pixels",
    "PrecisionSearch",
    "PrecisionWarning",
    "Problem",
    "Program",
    "ProgramInspection",
    "Reproduction",
    "RunResult",
    "SaturationWarning",
    "ShippedNetworks",
    "StoreError",
    "StudyReport",
    "SweepReport",
    "ToolchainError",
    "TrainingReport",
    "UserError",
    "__version__",
    "compile",
    "convert",
    "cost",
    "design",
    "evaluate",
    "import_checkpoint",
    "inspect",
    "load",
    "open_artifact",
    "profile",
    "reproduce",
    "run",
    "save",
    "search",
    "search_precision",
    "shipped_networks",
    "simulate",
    "study",
    "sweep",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'n2uqc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
