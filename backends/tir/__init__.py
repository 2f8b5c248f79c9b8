"""Scheduled integer TIR to plain objects: the TVM plumbing that every backend shares.

Importing this package imports TVM (seconds); import it inside the function that builds.

    kernel = te.create_prim_func([x, y]).with_attr("global_symbol", "double_it")
    target = llvm_target("x86_64-linux-gnu", "x86-64-v3")
    emit_object(tvm.IRModule({"double_it": kernel}), target, "double_it.o")
    # void double_it(const int8_t *x, int8_t *y);   nothing undefined, no runtime

``lower`` turns buffers into pointers, ``emit_object`` writes the object; constants enter by
``Constants``; ``moved_to_workspace`` takes big temporaries off the stack.
"""

from .constants import Constants
from .emit import compile_llvm, emit_object
from .lower import IMPORTED, lower, moved_to_workspace
from .target import llvm_target, target_of

__all__ = [
    "IMPORTED",
    "Constants",
    "compile_llvm",
    "emit_object",
    "llvm_target",
    "lower",
    "moved_to_workspace",
    "target_of",
]
