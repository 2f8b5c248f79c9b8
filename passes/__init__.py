"""Passes: from the canonical graph to the integer Program (see pipeline.PIPELINE)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .from_file import load
    from .options import Options
    from .pipeline import PIPELINE, compile_graph

_HOME = {
    "Options": "options",
    "PIPELINE": "pipeline",
    "compile_graph": "pipeline",
    "load": "from_file",
}

__all__ = ["PIPELINE", "Options", "compile_graph", "load"]


def __getattr__(name: str) -> Any:
    # Imported late, so that backends that need only passes.program do not load ONNX.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
