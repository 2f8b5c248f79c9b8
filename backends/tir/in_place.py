"""Kernels whose output overwrites an input.

TVM tells LLVM that different pointers never alias, which is wrong for two pointers to the same
bytes. So a kernel that works in place gets one pointer and uses it for both tensors.
"""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import tirx


def _declared(f: tirx.PrimFunc, pointer: tirx.Var) -> list[tirx.Var]:
    """Return the buffers that a function declares on a pointer."""
    buffers: list[tirx.Var] = []

    def visit(node: tirx.DeclBuffer) -> None:
        if node.data.same_as(pointer):
            buffers.append(node.buffer)

    tvm_ffi.structural_walk(f.body, (tirx.DeclBuffer, visit))
    return buffers


def updates(f: tirx.PrimFunc, source: tirx.Var, target: tirx.Var) -> bool:
    """Return whether a lowered function reads each element of an input only to write that element.

    Then the output may overwrite the input: each element is read by the statement that overwrites
    it and never again, because kernels write each output element once.

    Args:
        f: a function from ``lower``.
        source: parameter that points to an input.
        target: parameter that points to the output.
    """
    sources, targets = _declared(f, source), _declared(f, target)
    if not sources or not targets or _dtypes(sources) != _dtypes(targets):
        return False
    loads = within = uses = declarations = 0

    def is_source(load: tvm.ir.TensorLoad) -> bool:
        return any(load.source.same_as(buffer) for buffer in sources)

    def visit_load(load: tvm.ir.TensorLoad) -> None:
        nonlocal loads
        loads += is_source(load)

    def visit_store(store: tirx.BufferStore) -> None:
        if not any(store.buffer.same_as(buffer) for buffer in targets):
            return

        def visit(load: tvm.ir.TensorLoad) -> None:
            nonlocal within
            same = len(load.indices) == len(store.indices) and all(
                tvm_ffi.structural_equal(a, b)
                for a, b in zip(load.indices, store.indices, strict=True)
            )
            within += is_source(load) and same

        tvm_ffi.structural_walk(store.value, (tvm.ir.TensorLoad, visit))

    def visit_variable(variable: tirx.Var) -> None:
        nonlocal uses
        uses += variable.same_as(source)

    def visit_declaration(declaration: tirx.DeclBuffer) -> None:
        nonlocal declarations
        declarations += declaration.data.same_as(source)

    for kind, visit in (
        (tvm.ir.TensorLoad, visit_load),
        (tirx.BufferStore, visit_store),
        (tirx.Var, visit_variable),
        (tirx.DeclBuffer, visit_declaration),
    ):
        tvm_ffi.structural_walk(f.body, (kind, visit))
    return loads > 0 and loads == within and uses == declarations


def _dtypes(buffers: list[tirx.Var]) -> set[str]:
    return {str(buffer.ty.dtype) for buffer in buffers}


def in_place(f: tirx.PrimFunc, source: tirx.Var, target: tirx.Var) -> tirx.PrimFunc:
    """Return a function, for which ``updates`` is true,
    with its output at the address of the input.

    The parameter ``target`` is removed.
    """

    def visit(variable: tirx.Var) -> tirx.Var:
        return source if variable.same_as(target) else variable

    body = tvm_ffi.structural_map(f.body, (tirx.Var, visit))
    params = [param for param in f.params if not param.same_as(target)]
    return tirx.PrimFunc(params, body, f.ret_type, f.attrs, f.span)
