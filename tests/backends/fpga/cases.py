"""Random programs with random legal foldings, for tests of the datapath."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from n2uqc.backends.fpga import Fold, Folding
from n2uqc.backends.fpga.engines import engine_of
from n2uqc.passes.program import (
    Add,
    Clamp,
    Concat,
    Constant,
    Conv,
    Lookup,
    MaxPool,
    Program,
    SumPool,
)

from ...properties.programs import Builder, programs


def random_folding(draw: st.DrawFn, program: Program) -> Folding:
    """Any legal folding."""
    folds = {}
    for op in program.ops:
        if not op.in_place(program.types, program.constants):
            engine = engine_of(op, program)
            folds[op.output] = Fold(
                draw(st.sampled_from(engine.pe_options)), draw(st.sampled_from(engine.simd_options))
            )
    return Folding(folds)


def window_chain(seed: int) -> tuple[Program, np.ndarray[Any, Any]]:
    """Return up to three engines with line buffers, of any geometry, also unusual ones."""
    rng = np.random.default_rng(seed)
    b = Builder(seed, 1, int(rng.choice([1, 2, 4, 6])), 2, False)
    stream, kind = "x", b.types["x"]
    size = tuple(int(v) for v in rng.integers(1, 13, 2))
    b.types["x"] = replace(kind, shape=(*size, kind.shape[2]))
    for _ in range(rng.integers(1, 4)):
        height, width, depth = b.types[stream].shape
        kernel, stride, dilation = (
            tuple(int(v) for v in rng.integers(1, most, 2)) for most in (6, 5, 4)
        )
        pads = tuple(int(v) for v in rng.integers(0, 5, 4))
        choice = rng.choice(["dense", "depthwise", "max", "sum"])
        pool = choice in ("max", "sum")
        if pool:
            dilation = (1, 1)
            pads = tuple(min(p, k - 1) for p, k in zip(pads, kernel * 2, strict=True))
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        if height + pads[0] + pads[2] < reach[0] or width + pads[1] + pads[3] < reach[1]:
            continue
        if pool:
            cls = MaxPool if choice == "max" else SumPool
            edges = {}
            if cls is SumPool and rng.random() < 0.6:
                edges["counted"] = tuple(int(rng.integers(0, p + 1)) for p in pads)
            stream = b.add(cls, stream, kernel=kernel, stride=stride, pads=pads, **edges)
        else:
            groups = depth if choice == "depthwise" else 1
            out = depth if choice == "depthwise" else int(rng.choice([1, 2, 4, 6]))
            codes = 2 * rng.integers(0, 4, (out, *kernel, depth // groups)) - 3
            stream = b.add(
                Conv,
                stream,
                weight=b.const(Constant.odd(codes, 2)),
                stride=stride,
                pads=pads,
                dilation=dilation,
                groups=groups,
                pad_value=int(rng.integers(0, 4)),
            )
        stream = b.thresholds(stream, 2)
        b.types[stream] = replace(b.types[stream], scale=Fraction(1))
    if stream == "x":  # no window fitted
        stream = b.thresholds(stream, 2)
        b.types[stream] = replace(b.types[stream], scale=Fraction(1))
    return b.finish(stream), b.input(2)


@st.composite
def folded_chains(draw: st.DrawFn) -> tuple[Program, np.ndarray[Any, Any], Folding]:
    """A chain of windows of any geometry, a batch for it and a legal folding."""
    program, x = window_chain(draw(st.integers(0, 2**32 - 1)))
    return program, x, random_folding(draw, program)


def codebook_network(seed: int) -> tuple[Program, np.ndarray[Any, Any]]:
    """Lookups of codes, and concatenations of streams of unlike width, rate and sign."""
    rng = np.random.default_rng(seed)
    b = Builder(seed, int(rng.integers(2, 6)), int(rng.choice([1, 2, 3, 4])), 3, False)

    def branch(x: str) -> str:
        bits = int(rng.integers(1, 5))
        code = (
            b.thresholds(
                b.conv(
                    x,
                    int(rng.choice([1, 2, 4, 6])),
                    bits=2,
                    odd=False,
                    kernel=int(rng.choice([1, 3])),
                ),
                bits,
            )
            if rng.random() < 0.7
            else b.thresholds(x, bits)
        )
        low = int(rng.choice([0, -200]))
        table = rng.integers(low, 200, 1 << bits)
        return b.add(Lookup, code, table=b.const(Constant.narrow(table)))

    def joined(x: str, y: str) -> str:
        sizes = {b.types[v].shape[:2] for v in (x, y)}
        if len(sizes) > 1:
            return y
        for v in (x, y):
            b.types[v] = replace(b.types[v], scale=Fraction(1))
        z = b.add(Concat, x, y)
        b.types[z] = replace(b.types[z], scale=Fraction(1))
        return z

    stream = joined(branch("x"), branch("x"))
    for _ in range(int(rng.integers(0, 3))):
        stream = joined(stream, branch(stream) if rng.random() < 0.8 else stream)
    b.types[stream] = replace(b.types[stream], scale=Fraction(1))
    return b.finish(stream), b.input(2)


@st.composite
def folded_codebooks(draw: st.DrawFn) -> tuple[Program, np.ndarray[Any, Any], Folding]:
    """A network with lookups and concatenations, a batch for it and a legal folding."""
    program, x = codebook_network(draw(st.integers(0, 2**32 - 1)))
    return program, x, random_folding(draw, program)


@st.composite
def folded_programs(draw: st.DrawFn) -> tuple[Program, np.ndarray[Any, Any], Folding]:
    """A random program, a batch for it and a legal folding."""
    program, x = draw(programs())
    return program, x, random_folding(draw, program)


def resnet18(size: int = 224) -> tuple[Program, np.ndarray[Any, Any]]:
    """ResNet-18 with random 2-bit layers, 1.8 GMAC at 224 pixels, and one image."""
    b = Builder(3, size, 3, 16, True)

    def conv(x: str, out: int, kernel: int, stride: int, bits: int, odd: bool = True) -> str:
        shape = (out, kernel, kernel, b.types[x].shape[2])
        top = (1 << bits) - 1
        weight = (
            Constant.odd(2 * b.rng.integers(0, top + 1, shape) - top, bits)
            if odd
            else Constant.narrow(b.rng.integers(-top - 1, top + 1, shape))
        )
        return b.add(
            Conv, x, weight=b.const(weight), stride=(stride, stride), pads=(kernel // 2,) * 4
        )

    def scaled(x: str) -> str:
        b.types[x] = replace(b.types[x], scale=Fraction(1, 64))
        return x

    stream = b.add(Clamp, b.requantize(conv("x", 64, 7, 2, 15, odd=False)), lo=0, hi=32767)
    stream = scaled(b.add(MaxPool, stream, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1)))
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            first = stage > 0 and block == 0
            stride = 2 if first else 1
            branch = conv(b.thresholds(stream, 2), width, 3, stride, 2)
            branch = b.requantize(conv(b.thresholds(branch, 2), width, 3, 1, 2))
            if first:
                stream = b.requantize(conv(b.thresholds(stream, 2), width, 1, 2, 2))
            stream = b.prelu(scaled(b.add(Add, branch, stream)))
    stream = b.add(SumPool, stream, kernel=b.types[stream].shape[:2])
    program = b.finish(b.requantize(conv(stream, 1000, 1, 1, 7, odd=False), 32))
    return program, b.input(1)
