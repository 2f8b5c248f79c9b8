"""Object files from lowered TIR, without any of TVM's runtime."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import tvm
from tvm import tirx

from .arithmetic import arithmetic_functions
from .constants import ModuleConstants
from .llvm_faults import avoid_faults
from .lower import IMPORTED, lower
from .memory import memory_functions
from .target import pointer_bits

_UNWANTED = [
    # half-precision helpers that TVM adds to every module
    (r"^define weak[^\n]*@__(?:truncsfhf2|extendhfsf2)\(.*?^}\n", re.S | re.M, ""),
    (r"^@llvm\.global_ctors[^\n]*\n", re.M, ""),
    # debug information: it names the compiler and is large
    (r"^\s*#dbg_\w+\(.*\)\n", re.M, ""),
    (r",? !dbg !\d+", 0, ""),
    (r"^!llvm\.dbg\.cu = .*\n", re.M, ""),
    (r"\bdllexport ", 0, ""),
    (r"^source_filename = .*$", re.M, 'source_filename = "network"'),  # appears in the symbol table
]


def compile_llvm(lowered: tvm.IRModule, target: tvm.target.Target) -> tvm.runtime.Module:
    """Run LLVM's optimizer on a lowered module; ``inspect_source`` gives "ll" or "asm"."""
    return tvm.get_global_func("target.build.llvm")(lowered, target)


def clean_text(text: str, private: Collection[str] = ()) -> str:
    """Reduce textual IR to its functions; those in ``private`` become invisible outside what an
    application links.
    """
    for pattern, flags, new in _UNWANTED:
        text = re.sub(pattern, new, text, flags=flags)
    for name in private:
        text = re.sub(
            rf"^define ([^\n]*@{re.escape(name)}\()", r"define hidden \1", text, flags=re.M
        )
    return text


def _functions(mod: tvm.IRModule) -> list[tirx.PrimFunc]:
    return [f for _, f in mod.functions.items()]


def _split(functions: str) -> list[str]:
    """Return each function of some textual IR."""
    return re.findall(r"^define .*?^}\n", str(functions), re.S | re.M)


def emit_object(
    mod: tvm.IRModule,
    target: tvm.target.Target,
    path: Path | str,
    *,
    lowered: bool = False,
    private: Collection[str] = (),
    constants: ModuleConstants | None = None,
    more: str = "",
    beside: Mapping[Path, str] = MappingProxyType({}),
) -> None:
    """Write a module as an object file; equal modules give equal bytes.

    TVM tells LLVM that different buffers never overlap, so a function must not access the same
    bytes through two buffers. Calls between functions of the module may be inlined; calls from
    ``more`` are not.

    Args:
        mod: scheduled functions; those with a ``global_symbol`` are exported.
        target: from ``llvm_target``.
        path: the object to write.
        lowered: whether ``lower`` has already been applied to the module.
        private: functions of ``mod`` that only ``more`` and ``beside`` call.
        constants: arrays that ``more`` refers to.
        more: functions as textual IR, added to the module after optimization; they may call all
            functions of ``mod`` without declaring them.
        beside: further objects for the same processor, as textual IR that declares what it calls.
    """
    library = compile_llvm(mod if lowered else lower(mod, target), target)
    text = clean_text(library.inspect_source("ll"), private)
    shell = _without_functions(text)
    bits, triple = pointer_bits(target), str(target.attrs["mtriple"])
    text += memory_functions(text, bits) + (constants.text() if constants else "") + more + "\n"
    for helper in sorted(
        {each for f in _functions(mod) if IMPORTED in f.attrs for each in _split(f.attrs[IMPORTED])}
    ):
        for name in re.findall(r"^define [^\n]*(@[\w.]+)\(", helper, re.M):
            text = re.sub(rf"^declare [^\n]*{re.escape(name)}\([^\n]*\n", "", text, flags=re.M)
        text += helper
    if bits == 32:
        text += arithmetic_functions(triple)
    _write(text, path, triple, bits)
    for place, own in beside.items():
        _write(f"{shell}{own}\n", place, triple, bits)


def _without_functions(text: str) -> str:
    """Return what a module in textual IR says of its target, without functions and constants."""
    return "".join(re.findall(r"^(?:target |!).*\n", text, re.M))


def _write(text: str, path: Path | str, triple: str, bits: int) -> None:
    """Write textual IR as an object file, for a target whose addresses have so many bits."""
    if bits == 32:
        # Unwind tables would refer to a function of the C library.
        text = re.sub(r"^(define [^\n]*) \{$", r"\1 nounwind {", text, flags=re.M)
    if triple.startswith(("arm", "thumb")):
        # No function has floating-point arguments or results: Tag_ABI_VFP_args = 3 says that the
        # object may be linked with code of either float ABI.
        text += 'module asm ".eabi_attribute 28, 3"\n'
    if triple.startswith(("thumb", "armv6")):
        # The stack is aligned to 8 bytes; more would cost a register in each function.
        text = re.sub(r"(= alloca [^\n]*, align )(?:16|32|64)$", r"\g<1>8", text, flags=re.M)
    # The file's name is written into the module, so it is always the same.
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        source = Path(folder, "module.ll")
        source.write_text(avoid_faults(text, triple))
        tvm.runtime.load_module(str(source)).write_to_file(str(path), "o")
