"""Lowering of scheduled TIR to functions on plain C pointers."""

from __future__ import annotations

import math

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import PointerType, PrimType

WORKSPACE_BYTES = "n2uqc.workspace_bytes"
TEMPORARIES = "n2uqc.temporaries"
"""Function attribute: size and offsets of the temporaries that ``moved_to_workspace`` moved."""

IMPORTED = "n2uqc.imported"
"""Function attribute: textual IR of functions that a function calls."""

_ALIGNMENT = 64


def _with_pointers(f: tirx.PrimFunc) -> tirx.PrimFunc:
    """Turn buffer parameters into typed pointers, for a plain C signature."""
    params, declarations = [], []
    for param in f.params:
        if not tirx.is_buffer_var(param):
            params.append(param)
            continue
        kind = PointerType(PrimType(str(param.ty.dtype)), param.ty.storage_scope or "global")
        pointer = tirx.Var(param.name, kind)
        params.append(pointer)
        declarations.append(tirx.DeclBuffer(param, data=pointer))
    if not declarations:
        return f
    body = tirx.SeqStmt([*declarations, f.body])
    return tirx.PrimFunc(params, body, f.ret_type, f.attrs, f.span)


@tirx.transform.prim_func_pass(  # type: ignore[untyped-decorator]
    opt_level=0, name="n2uqc.BuffersToPointers"
)
def _buffers_to_pointers(
    f: tirx.PrimFunc, mod: tvm.IRModule, ctx: tvm.ir.transform.PassContext
) -> tirx.PrimFunc:
    return _with_pointers(f)


def _pipeline() -> tvm.ir.transform.Pass:
    """Return TVM's CPU lowering without its calling convention:
    no packed functions, no allocator.
    """
    s, t = s_tir.transform, tirx.transform
    return tvm.ir.transform.Sequential(
        [
            s.CanonicalizeLoop(),
            s.LowerInitBlock(),
            s.PlanAndUpdateBufferAllocationLocation(),
            s.ConvertBlocksToOpaque(),
            s.CompactBufferAllocation(),
            s.LowerMatchBuffer(),
            s.StmtSimplify(),
            s.LowerOpaqueBlock(),
            _buffers_to_pointers,
            t.FlattenBuffer(),
            t.NarrowDataType(32),
            s.LoopPartition(),
            t.VectorizeLoop(True),
            t.StorageRewrite(),
            t.UnrollLoop(),
            s.RenormalizeSplitPattern(),
            t.StmtSimplify(),
            t.RemoveNoOp(),
            s.RewriteUnsafeSelect(),
            t.CommonSubexprElim(),
            t.LowerIntrin(),
        ]
    )


def lower(mod: tvm.IRModule | tirx.PrimFunc, target: tvm.target.Target) -> tvm.IRModule:
    """Lower scheduled functions to the form that LLVM code generation takes.

    A function over buffers becomes ``void f(T *buffer, ...)`` in the order of its parameters.
    The generated code assumes that 32- and 64-bit arithmetic does not overflow; the caller has to
    prove it.

    Args:
        mod: functions from ``te.create_prim_func`` or a schedule, or functions on pointers.
        target: a target from ``llvm_target``.
    """
    if isinstance(mod, tirx.PrimFunc):
        mod = tvm.IRModule.from_expr(mod)
    return _pipeline()(tirx.transform.BindTarget(target)(mod))


def _bytes(buffer: tirx.Buffer) -> int:
    kind = tvm.DataType(str(buffer.ty.dtype))
    elements = math.prod(int(e) for e in buffer.ty.shape)
    return elements * int((kind.bits * kind.lanes + 7) // 8)


def moved_to_workspace(lowered: tvm.IRModule, limit: int = 1024) -> tvm.IRModule:
    """Turn temporaries of more than ``limit`` bytes into parameters, so that they need no stack.

    Each becomes a separate pointer, after the other parameters: for parts of one workspace LLVM
    would compute every address from the same register, and registers would run short (ARMv7's inner
    loops then took 50% more instructions). ``temporaries`` gives their offsets, 64-byte aligned, in
    a workspace of ``workspace_bytes``.

    Args:
        lowered: module from ``lower``.
        limit: the largest temporary, in bytes, that may stay on the stack.
    """
    return tvm.IRModule(
        {g: _moved(f, limit) for g, f in lowered.functions.items()}, attrs=lowered.attrs
    )


def _moved(f: tirx.PrimFunc, limit: int) -> tirx.PrimFunc:
    pointers: list[tirx.Var] = []
    offsets, top = [], 0

    def place(statement: tirx.Stmt) -> tirx.Stmt:
        nonlocal top
        buffer, size = statement.buffer, _bytes(statement.buffer)
        if size <= limit:
            return statement
        kind = PointerType(PrimType(str(buffer.ty.dtype)))
        pointers.append(tirx.Var(f"{buffer.name}_at", kind))
        offsets.append(top)
        top += -(-size // _ALIGNMENT) * _ALIGNMENT
        return tirx.DeclBuffer(buffer, data=pointers[-1])

    body = tvm_ffi.structural_map(f.body, (tirx.AllocBuffer, place))
    if not top:
        return f
    moved = tirx.PrimFunc([*f.params, *pointers], body, f.ret_type, f.attrs, f.span)
    return moved.with_attrs({WORKSPACE_BYTES: top, TEMPORARIES: offsets})


def temporaries(f: tirx.PrimFunc) -> tuple[int, ...]:
    """Return the workspace offsets of the temporaries, which are a function's last parameters."""
    return tuple(map(int, f.attrs[TEMPORARIES])) if TEMPORARIES in f.attrs else ()


def workspace_bytes(f: tirx.PrimFunc) -> int:
    """Return the bytes of workspace that a function needs; 0 if it has no moved temporaries."""
    return int(f.attrs[WORKSPACE_BYTES]) if WORKSPACE_BYTES in f.attrs else 0
