"""The datapath as synthesizable Verilog; Amaranth (extra ``rtl``) is loaded when it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from n2uqc.frontend.diagnostics import Problem

from ...toolchain import ToolchainError

if TYPE_CHECKING:
    from n2uqc.passes.program import Program

    from ..folding import Folding

__all__ = ["emit"]


def emit(
    program: Program, folding: Folding | None = None, *, images: int = 3, seed: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, bytes]:
    """A program's datapath as Verilog with vectors, test bench and Makefile: content by file name.

    See ``write.emit`` for the files.

    Raises:
        CompileError: the folding does not fit the program; ToolchainError where Amaranth or yosys
            is missing.
    """
    try:
        from . import write as files
    except ModuleNotFoundError as error:
        if error.name != "amaranth":
            raise
        raise ToolchainError(Problem(
            node="", op="rtl", found="amaranth, which describes the hardware, is not installed",
            mend="pip install 'n2uqc[rtl]'",
        )) from None
    return files.emit(program, folding, images=images, seed=seed, progress=progress)
