"""The code generator: scheduled integer TIR becomes object files without runtime.

Importing this package imports TVM, which takes seconds; import it inside the functions that need
it.

    kernel = te.create_prim_func([x, y]).with_attr("global_symbol", "double_it")
    target = llvm_target("x86_64-linux-gnu", "x86-64-v3")
    emit_object(tvm.IRModule({"double_it": kernel}), target, "double_it.o")
    # void double_it(const int8_t *x, int8_t *y);   nothing undefined, no runtime

``lower`` turns buffers into pointers, ``emit_object`` writes the object, ``ModuleConstants`` adds
constant arrays, and ``moved_to_workspace`` moves large temporaries from the stack to the caller's
workspace.
"""

from .constants import ModuleConstants
from .emit import compile_llvm, emit_object
from .lower import IMPORTED, lower, moved_to_workspace
from .target import llvm_target, target_of

__all__ = [
    "IMPORTED",
    "ModuleConstants",
    "compile_llvm",
    "emit_object",
    "llvm_target",
    "lower",
    "moved_to_workspace",
    "target_of",
]
