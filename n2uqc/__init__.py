"""n2uqc: compile networks trained with N2UQ into integer-only programs.

    program = n2uqc.load("model.onnx")                  # integer Program
    y = program(x)                                      # numpy in, numpy out
    n2uqc.compile(program, target="aarch64").save("out/")

Modules are imported when a name is first used, so ``import n2uqc`` is fast and needs neither TVM
nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from n2uqc.api.compile import compile
    from n2uqc.api.errors import MissingPart, UserError
    from n2uqc.api.inspect import Inspection, ProgramInspection, inspect
    from n2uqc.api.simulate import RunResult, run, simulate
    from n2uqc.api.verify import Certificate, verify
    from n2uqc.backends import Artifact, ToolchainError, open_artifact
    from n2uqc.backends.fpga import Fold, Folding
    from n2uqc.frontend.diagnostics import CompileError, Problem
    from n2uqc.passes import Options, load
    from n2uqc.passes.checks.promise import PrecisionWarning
    from n2uqc.passes.options import Pixels
    from n2uqc.passes.program import (
        IllegalOp,
        InputError,
        Program,
        SaturationWarning,
        StoreError,
        save,
    )

_HOMES = {
    "n2uqc.api.compile": ("compile",),
    "n2uqc.api.errors": ("MissingPart", "UserError"),
    "n2uqc.api.inspect": ("Inspection", "ProgramInspection", "inspect"),
    "n2uqc.api.simulate": ("RunResult", "run", "simulate"),
    "n2uqc.api.verify": ("Certificate", "verify"),
    "n2uqc.backends": ("Artifact", "ToolchainError", "open_artifact"),
    "n2uqc.backends.fpga": ("Fold", "Folding"),
    "n2uqc.frontend.diagnostics": ("CompileError", "Problem"),
    "n2uqc.passes": ("Options", "load"),
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
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "Certificate",
    "CompileError",
    "Fold",
    "Folding",
    "IllegalOp",
    "InputError",
    "Inspection",
    "MissingPart",
    "Options",
    "Pixels",
    "PrecisionWarning",
    "Problem",
    "Program",
    "ProgramInspection",
    "SaturationWarning",
    "RunResult",
    "StoreError",
    "ToolchainError",
    "UserError",
    "__version__",
    "compile",
    "inspect",
    "load",
    "open_artifact",
    "run",
    "save",
    "simulate",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'n2uqc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
