"""Random legal integer programs for differential tests of executors, and one of every operation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import (
    Add,
    Clamp,
    Flatten,
    IllegalOp,
    Interface,
    IntType,
    MaxPool,
    Port,
    Program,
    SumPool,
    TensorType,
)
from n2uqc.passes.rewrite import live

from .program_builder import Builder

__all__ = ["Builder", "one_of_each", "programs", "programs_of_several_ends"]


@st.composite
def programs(draw: st.DrawFn) -> tuple[Program, np.ndarray]:
    """A random program and a batch for it: plain and residual blocks, pooling, head."""
    draw_int = lambda a, b: draw(st.integers(a, b))  # noqa: E731
    bits = draw_int(1, 4)
    size, channels = draw_int(3, 7), draw_int(1, 5)
    b = Builder(draw_int(0, 2**32 - 1), size, channels, draw_int(1, 24), draw(st.booleans()))
    width = draw(st.sampled_from([1, 3, 4, 8, 17, 32]))
    stem_bits = draw(st.sampled_from([1, 7, 15, 23]))
    wide = draw(st.sampled_from([16, 16, 31, 44]))
    stem = b.conv("x", width, bits=stem_bits, odd=False, stride=draw_int(1, 2))
    stream = b.requantize(stem, wide)
    if draw(st.booleans()):
        stream = b.add(Clamp, stream, lo=0, hi=draw_int(1, 30000))
        b.types[stream] = IntType.ranged(
            b.types[stream].shape, b.types[stream].lo, b.types[stream].hi, Fraction(1, 64)
        )

    def gated(made: str, source: str) -> str:
        """Gate a tensor that nothing else reads by one computed from its source, or leave it: the
        product belongs to the kernel that makes it.
        """
        if draw(st.booleans()) or b.types[made].bits > 44:
            return made
        mean = b.add(SumPool, source, kernel=b.types[source].shape[:2])
        channels = draw(st.sampled_from([1, b.types[made].shape[2]]))
        gate = b.conv(mean, channels, bits=3, odd=False, kernel=1)
        return b.gate(made, b.requantize(gate, 12), wide=wide)

    for _ in range(draw_int(0, 2)):
        kind = b.types[stream]
        depthwise = draw(st.booleans())
        code = b.thresholds(stream, bits)
        if draw_int(0, 2) == 0:
            code = b.lookup(code)
        acc = b.conv(
            code,
            width,
            bits=draw_int(1, 4),
            kernel=draw(st.sampled_from([1, 3])),
            groups=width if depthwise else 1,
            dilation=draw_int(1, 2),
        )
        if draw(st.booleans()):
            acc = b.conv(b.thresholds(acc, bits), width, bits=bits, kernel=1)
        branch = b.requantize(acc, wide)
        if b.types[branch].shape == kind.shape:
            total = b.add(Add, branch, stream)
            old = b.types[total]
            b.types[total] = IntType.ranged(old.shape, old.lo, old.hi, Fraction(1, 64))
            stream = b.prelu(total, wide)
        else:
            stream = branch
    if draw(st.booleans()):  # a gate
        size = b.types[stream].shape[:2]
        window = draw(st.sampled_from([size, (size[0], 1), (1, size[1]), (1, 1)]))
        gate = b.add(SumPool, stream, kernel=window)
        if draw_int(0, 2) == 0:
            gate = b.conv(gate, 1, bits=3, odd=False, kernel=1)
        if wide <= 31 and draw(st.booleans()):
            gate = b.interpolate(b.requantize(gate, 20))
        stream = b.gate(stream, gate, wide=wide)
    if draw(st.booleans()):  # uneven levels, beside the stream they were taken from
        levels = b.lookup(b.thresholds(stream, bits))
        stream = draw(st.sampled_from([levels, gated(b.concat(levels, stream), stream)]))
    if draw_int(0, 2) == 0:
        stream = gated(b.rearrange(stream, draw_int(0, 7)), stream)
        if draw(st.booleans()):
            stream = b.lookup(b.thresholds(stream, bits))
    pool = draw(st.sampled_from(["none", "max", "sum", "mean", "flatten"]))
    kind = b.types[stream]
    window = (min(2, kind.shape[0]), min(2, kind.shape[1]))
    if pool == "max":
        stream = gated(b.add(MaxPool, stream, kernel=window, stride=(2, 1), pads=(0,) * 4), stream)
    elif pool == "sum":
        stream = gated(b.add(SumPool, stream, kernel=kind.shape[:2]), stream)
    elif pool == "mean":
        stream = b.mean(stream)
    elif pool == "flatten":
        stream = b.add(Flatten, stream)
    if wide > 32:
        stream = b.requantize(stream, 16)
    head = b.conv(stream, draw_int(1, 10), bits=8, odd=False, kernel=1)
    program = b.finish(b.requantize(head, 32))
    return program, b.input(draw_int(1, 3), draw(st.sampled_from(["random", "max", "min"])))


def _again(program: Program) -> Program:
    """Infer all types again: what was known of an input's channels as a result is no longer."""
    types: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
    for op in program.ops:
        scale = program.int_type(op.output).scale
        types[op.output] = replace(op.infer_integer(types, program.constants), scale=scale)
    return replace(program, types=types)


@st.composite
def programs_of_several_ends(draw: st.DrawFn) -> tuple[Program, dict[str, np.ndarray]]:
    """A random program with inner tensors as inputs and outputs, and batches by name.

    Any tensor is an output at any place: codes, sums, streams, one that is read further, one twice.
    """
    program, x = draw(programs())
    given, inputs = {"x": x}, ["x"]
    cut = draw(st.none() | st.sampled_from([op.output for op in program.ops[:-1]] or [None]))
    ops = [op for op in program.ops if op.output != cut]
    if cut is not None:
        kind = program.int_type(cut)
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        shape = (len(x), *kind.shape)
        given[cut] = rng.integers(kind.lo, kind.hi, shape, np.int64, endpoint=True)
        inputs.append(cut)
    more = st.lists(st.sampled_from([op.output for op in ops]), min_size=1, max_size=3)
    outputs = draw(st.permutations([program.output, *draw(more)]))

    def port(name: str, tensor: str) -> Port:
        height, width, channels = program.types[tensor].shape
        return Port(name, (channels, height, width))

    face = Interface(
        tuple(port(name, name) for name in inputs),
        tuple(port(f"y {k}", name) for k, name in enumerate(outputs)),
    )
    ends = replace(
        program,
        interface=face,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        ops=tuple(ops),
    )
    try:
        return plan_memory(_again(live(ends))), given
    except IllegalOp:  # a table was only as large as what was known of its input's channels
        reject()


def one_of_each() -> Program:
    """Return a small program with every operation in it."""
    b = Builder(1, 4, 4, 3, signed=False)
    x = b.conv("x", 4, bits=2)
    code = b.thresholds(x, 2)
    x = b.requantize(b.conv(code, 4, bits=2, kernel=1))
    x = b.prelu(b.add(Add, x, b.requantize(b.lookup(code))))
    x = b.add(Clamp, x, lo=-100, hi=100)
    x = b.rearrange(b.concat(x, x), 6)
    x = b.add(MaxPool, x, kernel=(2, 2), stride=(2, 2))
    x = b.gate(x, b.interpolate(b.add(SumPool, x, kernel=b.types[x].shape[:2])))
    x = b.mean(x)
    return b.finish(b.add(Flatten, x))
