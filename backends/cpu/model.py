"""A program as one module: local kernels, constants, and an entry function for C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tvm
from numpy.typing import NDArray
from tvm import tirx

from n2uqc.passes.program import Conv, Program
from n2uqc.passes.program.boundary import input_types, output_types
from n2uqc.passes.program.ranges import channel_ranges

from ..processor import Processor, Vectors
from ..tir import IMPORTED, ModuleConstants, lower, moved_to_workspace, target_of
from ..tir.in_place import in_place, updates
from ..tir.lower import temporaries, workspace_bytes
from .arena import Arena, plan_arena
from .choose import KernelChoice, choose
from .entry import Argument, Arguments, Step, declared, entry, workspace
from .grouping import schedule, with_own_outputs
from .kernels.body import Body
from .range_check import range_check

ALIGNMENT = 64  # bytes, alignment of the workspace and of tensors in it

_CACHED = 1 << 18
_FROM_MEMORY, _FROM_CACHE = 0.4, 0.05
_PREFETCHED = 0.2  # price on x86-64: at 0.4, ResNet-18 took 10.7 ms instead of 9.7


def byte_price(program: Program, vectors: Vectors) -> float:
    """Return the price of a byte of weights, in instructions.

    Weights that do not stay in the second-level cache until the next inference are read from
    memory. At two instructions per cycle and 2 GHz, a price of 0.4 instructions per byte
    corresponds to 10 GB per second, more than one such core reaches. The weights of small networks
    stay in the cache, where a byte costs almost nothing.
    """
    weights = sum(
        program.constants[op.weight].values.size for op in program.ops if isinstance(op, Conv)
    )
    if weights <= _CACHED:
        return _FROM_CACHE
    return _PREFETCHED if vectors.has("avx2") else _FROM_MEMORY


@dataclass(frozen=True)
class Model:
    """A program ready for code generation.

    Attributes:
        module: the kernels, lowered.
        symbols: names of the kernels' functions.
        constants: arrays that the entry passes to them.
        entry: the exported function, as textual IR.
        observed: the same for an observed run, an object beside that of ``entry``.
        choices: the kernel for each group, in order.
        arena: the plan of the workspace.
        workspace_bytes: size of the workspace that the caller provides.
        constant_bytes: bytes of the constants that each kernel reads; some may share them.
    """

    module: tvm.IRModule
    symbols: tuple[str, ...]
    constants: ModuleConstants
    entry: str
    observed: str
    choices: tuple[KernelChoice, ...]
    arena: Arena
    workspace_bytes: int
    constant_bytes: tuple[int, ...] = ()


def build_model(
    program: Program,
    symbol: str,
    processor: Processor,
    progress: Callable[[str], None] = lambda step: None,
) -> Model:
    """Generate, schedule and lower every kernel, and the entry that calls them.

    The entry (see ``entry``) calls nothing outside the module and holds no state.

    Args:
        program: a lowered program.
        symbol: name of the entry, and prefix of the kernels' names.
        processor: the target processor.
        progress: called with a description of each step.
    """
    program = with_own_outputs(program)
    plan = schedule(program)
    ranges = channel_ranges(program)
    target, vectors = target_of(processor), processor.vectors
    vectors = replace(vectors, byte=byte_price(program, vectors))
    choices = tuple(choose(group, program, vectors) for group in plan.groups)
    functions, operands = [], []
    for k, choice in enumerate(choices):
        progress(f"kernel {k + 1} of {len(choices)}: {choice.group.mnemonics}")
        name = f"{symbol}_k{k:02d}_{choice.group.mnemonics}"
        body = Body(program, choice.group, plan.storage, ranges, vectors)
        built = choice.offer.build(body)
        if body.imported:
            built = built.with_attr(IMPORTED, "".join(sorted(body.imported)))
        functions.append(_lowered(built, name, target))
        operands.append([*(what for _, what in body.operands), choice.group.output])

    def pointers(step: int, name: str) -> tuple[tirx.Var, ...]:
        """Return a kernel's parameters for an input, one per access to it, and for its output."""
        params, given = functions[step].params, operands[step]
        read = [
            k
            for k, what in enumerate(given[:-1])
            if isinstance(what, str) and plan.storage[what] == name
        ]
        return *(params[k] for k in read), params[len(given) - 1]

    def may_share(step: int, name: str) -> bool:
        both = pointers(step, name)
        return len(both) == 2 and updates(functions[step], *both)

    arena = plan_arena(program, plan, [workspace_bytes(f) for f in functions], may_share)
    for step, name in arena.in_place.items():
        functions[step] = in_place(functions[step], *pointers(step, name))
        operands[step].pop()
    constants = ModuleConstants()
    checks = [range_check(tensor_type, vectors) for _, tensor_type in input_types(program)]
    names = [f"{symbol}_check{k or ''}" if f is not None else "" for k, f in enumerate(checks)]
    arguments = Arguments(
        tuple(
            Argument(tensor_type.container.itemsize, name)
            for (_, tensor_type), name in zip(input_types(program), names, strict=True)
        ),
        tuple(Argument(tensor_type.container.itemsize) for _, tensor_type in output_types(program)),
        ALIGNMENT,
    )
    places = {name: arguments.operand("input", k) for k, name in enumerate(program.inputs)}
    places |= {
        plan.storage[name]: arguments.operand("output", k) for k, name in enumerate(program.outputs)
    }

    def operand(what: str | NDArray[np.integer]) -> str:
        if not isinstance(what, str):
            return f"@{constants.add(f'{symbol}_table', what)}"
        stored = plan.storage[what]
        return places.get(stored) or workspace(arena.offsets[stored])

    steps = []
    for group, function, given, offset in zip(
        plan.groups, functions, operands, arena.scratch, strict=True
    ):
        scratch = [workspace(offset + each) for each in temporaries(function)]
        result = operand(group.output)
        steps.append(Step(_name(function), (*map(operand, given), *scratch), result))
    functions += [
        _lowered(check, name, target)
        for check, name in zip(checks, names, strict=True)
        if check is not None
    ]
    return Model(
        tvm.IRModule({_name(f): f for f in functions}),
        tuple(map(_name, functions)),
        constants,
        entry(symbol, arguments, steps),
        _observed(symbol, arguments, steps, constants),
        choices,
        arena,
        max(arena.size, ALIGNMENT),
        tuple(sum(w.nbytes for w in given if not isinstance(w, str)) for given in operands),
    )


def _observed(
    symbol: str, arguments: Arguments, steps: Sequence[Step], constants: ModuleConstants
) -> str:
    """Return the function of an observed run, with declarations of what it takes of the entry's
    object.
    """
    called = {step.kernel: len(step.operands) for step in steps}
    called |= {each.check: 2 for _, each in arguments.all() if each.check}
    text = entry(f"{symbol}_observed", arguments, steps, observed=True)
    return f"{declared(called.items(), constants.arrays)}\n{text}"


def _name(function: tirx.PrimFunc) -> str:
    return str(function.attrs["global_symbol"])


def _lowered(function: tirx.PrimFunc, name: str, target: tvm.target.Target) -> tirx.PrimFunc:
    named = function.with_attr("global_symbol", name).with_attr("tirx.noalias", True)
    module = moved_to_workspace(lower(tvm.IRModule({name: named}), target))
    (result,) = module.functions.values()
    return result
