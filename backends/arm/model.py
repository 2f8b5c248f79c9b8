"""A whole program as one module: private kernels, constants, and one plain C entry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm
from numpy.typing import NDArray
from tvm import ir, s_tir, te, tirx
from tvm.ir import PointerType, PrimType
from tvm.target import codegen

from n2uqc.passes.program import IntType, Program
from n2uqc.passes.program.ranges import channel_ranges

from ..tir import Constants, lower, moved_to_workspace
from ..tir.lower import workspace_bytes
from .choose import Choice, choose
from .grouping import Schedule, int_type, schedule
from .guard import guard
from .kernels.base import Body, Expr, Vectors

ALIGNMENT = 64  # bytes, of the workspace: the arena's own

@dataclass(frozen=True)
class Model:
    """A program ready for code generation.

    Attributes:
        module: lowered functions.
        constants: their arrays.
        private: symbols of its functions, none of which is exported.
        guard: the exported function, as textual IR.
        choices: kernel and reason for each group, in order.
        arena_bytes: intermediate tensors; the kernels' scratch memory follows them.
        workspace_bytes: of both, what the caller provides.
    """

    module: tvm.IRModule
    constants: Constants
    private: tuple[str, ...]
    guard: str
    choices: tuple[Choice, ...]
    arena_bytes: int
    workspace_bytes: int


@dataclass(frozen=True)
class _Call:
    """A lowered kernel and what it is called with: tensors by name, constants by array."""

    name: ir.GlobalVar
    function: tirx.PrimFunc
    operands: tuple[str | NDArray[np.integer], ...]


def vectors_of(target: tvm.target.Target) -> Vectors:
    """The vector unit of a processor, as far as kernels are shaped by it."""
    if str(target.attrs["mtriple"]).startswith("x86_64"):
        return Vectors(32 if codegen.target_has_features("avx2", target) else 16, 16)
    return Vectors(16, 32)


def build_model(
    program: Program, symbol: str, target: tvm.target.Target,
    progress: Callable[[str], None] = lambda step: None,
) -> Model:
    """Write, schedule and lower every kernel, and the entry that calls them.

    The entry is ``int32_t symbol(const T_in *input, T_out *output, void *workspace)``; it calls
    nothing outside the module and holds no state.

    Args:
        program: a lowered program.
        symbol: the entry's name; kernels are named after it.
        target: from ``tir.llvm_target``.
        progress: told what is being worked on.
    """
    plan = schedule(program)
    choices = tuple(choose(group, program) for group in plan.groups)
    ranges, vectors = channel_ranges(program), vectors_of(target)
    kinds = [int_type(program, name) for name in (program.input, program.output)]
    calls = []
    for k, choice in enumerate(choices):
        progress(f"kernel {k + 1} of {len(choices)}: {choice.group.mnemonics}")
        name = f"{symbol}_k{k:02d}_{choice.group.mnemonics}"
        body = Body(program, choice.group, plan.storage, ranges, vectors)
        function = _lowered(choice.kernel.build(body), name, target)
        operands = (*(what for _, what in body.operands), choice.group.output)
        calls.append(_Call(ir.GlobalVar(name), function, operands))
    functions = {call.name: call.function for call in calls}
    check = _range_check(kinds[0])
    if check is not None:
        name = f"{symbol}_check"
        functions[ir.GlobalVar(name)] = _lowered(check, name, target)
    constants, inner = Constants(), f"{symbol}_body"
    sizes = (kinds[0].container.itemsize, kinds[1].container.itemsize, ALIGNMENT)
    outer = guard(symbol, sizes, f"{symbol}_check" if check is not None else "", inner)
    run = _entry(program, plan, inner, calls, constants)
    (functions[ir.GlobalVar(inner)],) = lower(run, target).functions.values()
    scratch = max(workspace_bytes(call.function) for call in calls)
    return Model(
        tvm.IRModule(functions), constants, tuple(v.name_hint for v in functions), outer,
        choices, plan.plan.size, max(plan.plan.size + scratch, ALIGNMENT),
    )


def _lowered(function: tirx.PrimFunc, name: str, target: tvm.target.Target) -> tirx.PrimFunc:
    named = function.with_attr("global_symbol", name).with_attr("tirx.noalias", True)
    module = moved_to_workspace(lower(tvm.IRModule({name: named}), target))
    (result,) = module.functions.values()
    return result


def _range_check(kind: IntType) -> tirx.PrimFunc | None:
    """``flag[0] = 1`` if an input value leaves its range, else 0; None where none can."""
    limits = np.iinfo(kind.container)
    if (kind.lo, kind.hi) == (limits.min, limits.max):
        return None
    lanes = math.gcd(kind.size, 64)
    dtype = kind.container.name
    x = te.placeholder((kind.size // lanes, lanes), dtype, "x")
    row, lane = te.reduce_axis((0, kind.size // lanes), "row"), te.reduce_axis((0, lanes), "lane")

    def outside(l: Expr) -> Expr:
        tests = [x[row, l] < tirx.const(kind.lo, dtype)] if kind.lo > limits.min else []
        tests += [x[row, l] > tirx.const(kind.hi, dtype)] if kind.hi < limits.max else []
        return te.max(tirx.any(*tests).astype("int8"), axis=row)

    lanes_out = te.compute((lanes,), outside, "outside")
    flag = te.compute((1,), lambda _: te.max(lanes_out[lane].astype("int32"), axis=lane), "flag")
    plan = s_tir.Schedule(te.create_prim_func([x, flag]))
    block = plan.get_sblock("outside")
    column, line = plan.get_loops(block)
    plan.reorder(line, column)
    plan.vectorize(column)
    plan.decompose_reduction(block, line)
    return plan.mod["main"]


def _entry(
    program: Program, plan: Schedule, symbol: str, calls: list[_Call], constants: Constants,
) -> tirx.PrimFunc:
    """The function that calls the kernels in order."""
    input_, output = (
        tirx.Var(role, PointerType(PrimType(int_type(program, name).container.name)))
        for role, name in (("input", program.input), ("output", program.output))
    )
    workspace = tirx.Var("workspace", PointerType(PrimType("uint8")))
    places = {program.input: input_, plan.storage[program.output]: output}

    def at(offset: int) -> Expr:
        return tirx.handle_add_byte_offset(workspace, tirx.const(offset, "int32"))

    def argument(what: str | NDArray[np.integer]) -> Expr:
        if not isinstance(what, str):
            return constants.pointer(constants.add("table", what))
        stored = plan.storage[what]
        return places[stored] if stored in places else at(plan.plan.offsets[stored])

    body: list[tirx.Stmt] = []
    for call in calls:
        arguments = [argument(what) for what in call.operands]
        if workspace_bytes(call.function):
            arguments.append(at(plan.plan.size))
        body.append(tirx.Evaluate(ir.Call(call.name, arguments, ret_ty=PrimType("void"))))
    body.append(tirx.Return(tirx.const(0, "int32")))
    whole = constants.declared(tirx.SeqStmt(body))
    function = tirx.PrimFunc([input_, output, workspace], whole, PrimType("int32"))
    return function.with_attrs({"global_symbol": symbol, "tirx.noalias": True})
