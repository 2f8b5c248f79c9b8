"""Programs compiled for this machine and called in this process, to compare kernels fast."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from n2uqc.backends import find_target, toolchain
from n2uqc.backends.cpu.grouping import with_own_outputs
from n2uqc.backends.cpu.model import Model, build_model
from n2uqc.backends.tir import emit_object, target_of
from n2uqc.passes.plan_memory import plan_memory
from n2uqc.passes.program import Program, Runner, run
from n2uqc.passes.program.boundary import input_types, output_types
from n2uqc.passes.program.named import Batch, Named, samples

SYMBOL = "network_run"
OBSERVED = ".observed.o"
_OBSERVER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)


@cache
def llvm(name: str) -> tvm.target.Target:
    return target_of(find_target(name).processor)


def write_object(program: Program, path: Path, target: str = "host", symbol: str = SYMBOL) -> Model:
    """Compile a program to an object file."""
    model = build_model(program, symbol, find_target(target).processor)
    emit_object(
        model.module,
        llvm(target),
        path,
        lowered=True,
        private=model.symbols,
        constants=model.constants,
        more=model.entry,
        beside={path.with_suffix(OBSERVED): model.observed},
    )
    return model


class Host:
    """A program as a function of this process."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        path = folder / f"{len(list(folder.iterdir()))}.o"
        self.model = write_object(program, path)
        objects = [path, path.with_suffix(OBSERVED)]
        library = ctypes.CDLL(str(toolchain.shared_library(objects, path.with_suffix(".so"))))
        self.function = getattr(library, SYMBOL)
        self.observed = getattr(library, f"{SYMBOL}_observed")

    def watched(self, x: Named) -> tuple[Named, list[tuple[str, np.ndarray]]]:
        """Return the outputs for the first sample of an observed run, and what each kernel wrote,
        with the tensor's name.
        """
        program = with_own_outputs(self.program)
        seen: list[tuple[str, np.ndarray]] = []

        def observe(context: int, step: int, address: int | None) -> None:
            assert context == 0x1234 and step == (len(seen) if address else -1)
            if address:
                name = self.model.choices[step].group.output
                kind = program.int_type(name)
                raw = ctypes.string_at(address, kind.size * kind.container.itemsize)
                seen.append((name, np.frombuffer(raw, kind.container).reshape(kind.shape)))

        plain, observer = self.function, _OBSERVER(observe)
        self.function = lambda *a: self.observed(*a, observer, ctypes.c_void_p(0x1234))
        try:
            return self._compute({name: array[:1] for name, array in x.items()}), seen
        finally:
            self.function = plain

    def call(self, x: np.ndarray, y: np.ndarray, workspace: np.ndarray) -> int:
        return int(self.function(*(ctypes.c_void_p(a.ctypes.data) for a in (x, y, workspace))))

    def call_all(self, xs: list[np.ndarray], ys: list[np.ndarray], workspace: np.ndarray) -> int:
        """Call a program of any number of inputs and outputs."""
        if len(xs) == len(ys) == 1:
            return self.call(xs[0], ys[0], workspace)
        ends = [np.array([a.ctypes.data for a in group], np.uintp) for group in (xs, ys)]
        return self.call(*ends, workspace)

    def workspace(self, margin: int = 64) -> np.ndarray:
        """Return an aligned workspace of the stated size, followed by a marked margin."""
        size = self.model.workspace_bytes
        raw = np.full(size + margin + 64, 0xA5, np.uint8)
        start = -raw.ctypes.data % 64
        return raw[start : start + size + margin]

    def __call__(self, x: Batch) -> Any:
        """Return integers (N, H, W, C) in and out, by name or bare; checks that nothing is written
        out of bounds.
        """
        return Runner(self.program.interface, self._compute)(x)

    def _compute(self, x: Named) -> Named:
        ins, outs = list(input_types(self.program)), list(output_types(self.program))
        count = samples(x)
        results = {port.name: np.empty((count, *kind.shape), np.int64) for port, kind in outs}
        for n in range(count):
            space = self.workspace()
            ys = [np.full(kind.size + 64, 0x5A, kind.container) for _, kind in outs]
            taken = [
                np.ascontiguousarray(x[port.name][n], dtype=kind.container) for port, kind in ins
            ]
            assert self.call_all(taken, ys, space) == 0
            assert all(
                (t == x[port.name][n]).all() for t, (port, _) in zip(taken, ins, strict=True)
            )
            assert (space[self.model.workspace_bytes :] == 0xA5).all()
            for y, (port, kind) in zip(ys, outs, strict=True):
                assert (y[kind.size :] == 0x5A).all()
                results[port.name][n] = y[: kind.size].reshape(kind.shape)
        return results


def equals_interpreter(program: Program, folder: Path) -> None:
    """Compare on random inputs, at both ends of the range, and on a mixture of these."""
    program = plan_memory(program)
    kind = program.int_type(program.input)
    rng = np.random.default_rng(0)
    x = rng.integers(kind.lo, kind.hi + 1, (6, *kind.shape), dtype=np.int64)
    x[1], x[2] = kind.lo, kind.hi
    x[3] = rng.choice([kind.lo, kind.hi], kind.shape)
    np.testing.assert_array_equal(Host(program, folder)(x), run(program, x))
