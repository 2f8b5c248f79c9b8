"""Exact rewrites of real operations, after which each chain has one affine map."""

from __future__ import annotations

from dataclasses import replace

from ..program import Op, Program
from ..program.ops.real import Affine, RealAdd
from ..rewrite import fresh, live, typed

_MOST_DIGITS = 2**13  # most bits of an exact slope: a product of a hundred float32 slopes


def _digits(op: Affine) -> int:
    """Return the number of bits that this map adds to the slope of a chain."""
    numbers = (n for slope in op.slope for pair in slope.terms.items() for n in pair)
    return max(
        (n.numerator.bit_length() + n.denominator.bit_length() - 2 for n in numbers), default=0
    )


def _compose(chain: list[Affine]) -> Affine:
    """Return the composition of a chain of maps."""
    slope, offset = chain[0].slope, chain[0].offset
    for outer in chain[1:]:
        offset = tuple(a * b + c for a, b, c in zip(outer.slope, offset, outer.offset, strict=True))
        slope = tuple(a * b for a, b in zip(outer.slope, slope, strict=True))
    origin = tuple(name for op in chain for name in op.origin)
    last = chain[-1]
    return replace(last, inputs=chain[0].inputs, slope=slope, offset=offset, origin=origin)


def merge_affine(program: Program) -> Program:
    """Compose successive affine maps that have no other reader.

    A chain is cut where its exact numbers would become too long.
    """
    readers = program.consumers()
    chains: dict[str, list[Affine]] = {}  # by output of the last map
    digits: dict[str, int] = {}
    maps: dict[str, Op] = {}
    for op in program.ops:
        if isinstance(op, Affine):
            inner = op.inputs[0]
            before, own = digits.get(inner, 0), _digits(op)
            joins = inner in chains and len(readers[inner]) == 1
            if joins and before + own <= _MOST_DIGITS:
                del maps[inner]
                chain = chains.pop(inner)
                chain.append(op)
                own += before
            else:
                chain = [op]
            chains[op.output], digits[op.output] = chain, own
        maps[op.output] = op
    for name, chain in chains.items():
        maps[name] = _compose(chain)
    return live(replace(program, ops=tuple(maps.values())))


def hoist_bias(program: Program) -> Program:
    """Move the bias after a skip connection's sum into the operand that has its own affine map.

    ``(s*u + o) + v + b = (s*u + (o + b)) + v`` has one operation less, and the bias is added with
    the precision of the accumulator instead of the stream.
    """
    readers = program.consumers()
    producers = {op.output: op for op in program.ops}
    for op in program.ops:
        add = producers.get(op.inputs[0]) if op.inputs else None
        if not (
            isinstance(op, Affine)
            and isinstance(add, RealAdd)
            and all(s == 1 for s in op.slope)
            and len(readers[add.output]) == 1
        ):
            continue
        for name in add.inputs:
            branch = producers.get(name)
            if isinstance(branch, Affine) and len(readers[name]) == 1:
                offset = tuple(a + b for a, b in zip(branch.offset, op.offset, strict=True))
                # a new name, because the value differs from the original tensor's
                moved = fresh(program.types, f"{op.output}.branch")
                producers[name] = replace(
                    branch, output=moved, offset=offset, origin=branch.origin + op.origin
                )
                inputs = tuple(moved if i == name else i for i in add.inputs)
                producers[add.output] = replace(add, inputs=inputs, output=op.output)
                del producers[op.output]
                break
    ops = tuple(producers[op.output] for op in program.ops if op.output in producers)
    return typed(live(replace(program, ops=ops)))
