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

if TYPE_CHECKING:
    from n2uqc.backends import compile
    from n2uqc.frontend.diagnostics import CompileError, Problem
    from n2uqc.passes import Options, load
    from n2uqc.passes.program import InputError, Program

__version__ = "0.1.0"

_HOME = {
    "CompileError": "n2uqc.frontend.diagnostics",
    "InputError": "n2uqc.passes.program",
    "Options": "n2uqc.passes",
    "Problem": "n2uqc.frontend.diagnostics",
    "Program": "n2uqc.passes.program",
    "compile": "n2uqc.backends",
    "load": "n2uqc.passes",
}

__all__ = [
    "CompileError",
    "InputError",
    "Options",
    "Problem",
    "Program",
    "__version__",
    "compile",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'n2uqc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
