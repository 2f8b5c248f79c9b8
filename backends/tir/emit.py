"""Lowered TIR to an object file with nothing of TVM in it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from pathlib import Path

import tvm

from .constants import Constants
from .lower import lower
from .memory import memory_functions

_UNWANTED = [
    # half-precision helpers that TVM adds to every module
    (r"^define weak[^\n]*@__(?:truncsfhf2|extendhfsf2)\(.*?^}\n", re.S | re.M, ""),
    (r"^@llvm\.global_ctors[^\n]*\n", re.M, ""),
    # debug information: it would name the compiler and bloat the object
    (r"^\s*#dbg_\w+\(.*\)\n", re.M, ""),
    (r",? !dbg !\d+", 0, ""),
    (r"^!llvm\.dbg\.cu = .*\n", re.M, ""),
    (r"\bdllexport ", 0, ""),
]


def compile_llvm(lowered: tvm.IRModule, target: tvm.target.Target) -> tvm.runtime.Module:
    """Run LLVM's optimiser on a lowered module; ``inspect_source`` gives "ll" or "asm"."""
    return tvm.get_global_func("target.build.llvm")(lowered, target)


def clean_text(
    text: str, constants: Constants, private: Collection[str], more: str = ""
) -> str:
    """Textual IR with only what belongs to the functions, and the constants' values put in."""
    for pattern, flags, new in _UNWANTED:
        text = re.sub(pattern, new, text, flags=flags)
    text += f"\n{more}\n{memory_functions(text)}"

    for name in private:
        function = re.compile(rf"^define ([^\n]*@{re.escape(name)}\(.*?^}}\n)", re.S | re.M)
        used = len(re.findall(rf"@{re.escape(name)}\b", text)) > 1
        text = function.sub(r"define internal \1" if used else "", text)

    def define(match: re.Match[str]) -> str:
        name = match[1]
        return constants.definition(name) if name in constants.arrays else match[0]

    return re.sub(r"^@([\w.]+) = external [^\n]*$", define, text, flags=re.M)


def emit_object(
    mod: tvm.IRModule, target: tvm.target.Target, path: Path | str, *,
    constants: Constants | None = None, private: Collection[str] = (), lowered: bool = False,
    more: str = "",
) -> None:
    """Write a module as an object file; equal modules give equal bytes.

    Args:
        mod: scheduled functions; those with a ``global_symbol`` are exported.
        target: from ``llvm_target``.
        path: the object to write.
        constants: arrays that the functions refer to.
        private: exported functions to turn local after optimisation, and to drop where all calls
            were inlined: they keep a symbol for profiles, unlike one without ``global_symbol``.
        lowered: the module has been through ``lower`` already.
        more: further functions as textual IR; they may call exported functions undeclared.
    """
    if not lowered:
        mod = lower(mod, target)
    library = compile_llvm(mod, target)
    text = clean_text(library.inspect_source("ll"), constants or Constants(), private, more)
    # The file's name gets into the module, hence a fixed one.
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        source = Path(folder, "module.ll")
        source.write_text(text)
        tvm.runtime.load_module(str(source)).write_to_file(str(path), "o")
