"""Convolutions with chosen weights, and inputs that make their sums largest and smallest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import run_artifact
from n2uqc.backends.cpu import choose
from n2uqc.backends.cpu.kernels.offer import Kernel
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Constant, Conv, IntType, Program, Thresholds, run
from tests.properties.programs import Builder

from ..host import Host


def conv_program(
    weight: np.ndarray,
    size: int,
    bits: int,
    *,
    signed: bool = False,
    levels: int = 0,
    **options: object,
) -> Program:
    """Return a convolution (O, KH, KW, I / groups) of a square map of ``bits``, then thresholds."""
    b = Builder(0, size, weight.shape[3] * int(options.get("groups", 1)), bits, signed)
    acc = b.add(Conv, "x", weight=b.const(Constant.narrow(weight)), **options)
    if levels:
        kind = int_type_of(b, acc)
        spread = np.linspace(kind.lo, kind.hi, levels + 2)[1:-1].astype(np.int64)
        bounds = spread + np.arange(len(weight))[:, None] % 3
        acc = b.add(
            Thresholds,
            acc,
            bounds=b.const(Constant.narrow(bounds)),
            signs=b.const(Constant.odd(np.ones_like(bounds), 1)),
            base=b.const(Constant.narrow(np.zeros(len(weight), np.int64))),
            bits=levels.bit_length(),
        )
    return plan_memory(b.finish(acc))


def int_type_of(b: Builder, name: str) -> IntType:
    kind = b.types[name]
    assert isinstance(kind, IntType)
    return kind


def extremes(program: Program, samples: int = 3) -> np.ndarray:
    """Return random inputs, both ends everywhere,
    and inputs that make the first outputs extreme.
    """
    kind = program.int_type(program.input)
    rng = np.random.default_rng(5)
    x = rng.integers(kind.lo, kind.hi + 1, (samples + 4, *kind.shape))
    x[0], x[1] = kind.lo, kind.hi
    weight = next(program.constants[op.weight].values for op in program.ops if type(op) is Conv)
    signs = np.resize(weight[0].transpose(1, 0, 2), (kind.shape[1], kind.shape[0], kind.shape[2]))
    signs = np.resize(signs.transpose(1, 0, 2), kind.shape) > 0
    x[2], x[3] = np.where(signs, kind.hi, kind.lo), np.where(signs, kind.lo, kind.hi)
    return x


def ends(shape: tuple[int, ...], top: int) -> np.ndarray:
    """Return weights that are all ``top`` or all ``-top`` in each output channel, by turns."""
    weight = np.full(shape, top)
    weight[1::2] = -top
    return weight


def only(monkeypatch: pytest.MonkeyPatch, *kernels: Kernel) -> None:
    """Let convolutions be computed by these kernels alone."""
    monkeypatch.setitem(choose.TABLE, Conv, kernels)


def check(program: Program, folder: Path, target: str = "host") -> str:
    """Compare with the interpreter; return the reason for the convolution's kernel."""
    x = extremes(program)
    if target == "host":
        host = Host(program, folder)
        np.testing.assert_array_equal(host(x), run(program, x))
        return host.model.choices[0].reason
    place = compile_program(program, target).save(folder / "net")
    np.testing.assert_array_equal(run_artifact(place, x), run(program, x))
    return ""
