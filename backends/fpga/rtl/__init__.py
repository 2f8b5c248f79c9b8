"""The datapath as synthesizable Verilog; Amaranth (extra ``rtl``) is loaded when it is written."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.diagnostics import Problem

from ...toolchain import ToolchainError

if TYPE_CHECKING:
    from ..design import Design

__all__ = ["emit", "load_synthesis"]


def emit(
    design: Design,
    *,
    images: int = 3,
    seed: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, bytes]:
    """Return a datapath as Verilog with vectors, test bench and Makefile: content by file name.

    See ``write.emit`` for the files.

    Raises:
        ToolchainError: Amaranth or yosys is missing.
    """
    files: dict[str, bytes] = _module("write").emit(
        design, images=images, seed=seed, progress=progress
    )
    return files


def load_synthesis() -> Any:
    """Return the module ``synthesis``: single engines through yosys.

    Raises:
        ToolchainError: Amaranth is missing.
    """
    return _module("synthesis")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "amaranth":
            raise
        raise ToolchainError(
            Problem(
                node="",
                op="rtl",
                found="amaranth, which describes the hardware, is not installed",
                hint="pip install 'n2uqc[rtl]'",
            )
        ) from None
