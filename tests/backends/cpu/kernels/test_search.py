"""The search of a number among bounds, on this machine, against counting."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import te

from n2uqc.backends import find_target, toolchain
from n2uqc.backends.cpu.kernels.search import search_function, search_name, searched
from n2uqc.backends.tir import emit_object, target_of


@pytest.mark.parametrize("slt", [False, True])
@pytest.mark.parametrize("stored", ["int16", "int32", "int64"])
def test_as_many_as_are_passed(stored: str, slt: bool, tmp_path: Path) -> None:
    """Bounds at the ends of their type, equal ones, every count, and each number beside them."""
    rng, ends = np.random.default_rng(1), np.iinfo(stored)
    text, tables = "", []
    for count in (4, 7, 8, 15, 16, 100, 255):
        near = rng.integers(-20, 20, count)
        far = rng.integers(ends.min, ends.max, count, endpoint=True)
        bounds = np.sort(np.stack([near, far, np.full(count, 3), np.full(count, ends.max)]), axis=1)
        rows, steps = searched(bounds, stored)
        assert rows.shape == (4, 1 << steps) and rows.dtype == stored
        tables.append((bounds, rows, steps))
    for steps in {steps for _, _, steps in tables}:
        text += search_function(stored, steps, slt).replace("define internal", "define")
    x = te.placeholder((1,), "int32", "x")
    other = te.create_prim_func([x, te.compute((1,), lambda i: x[i], "y")])
    module = tvm.IRModule({"other": other.with_attr("global_symbol", "other")})
    emit_object(module, target_of(find_target("host").processor), tmp_path / "n.o", more=text)
    library = ctypes.CDLL(str(toolchain.shared_library([tmp_path / "n.o"], tmp_path / "n.so")))
    number = ctypes.c_int64 if stored == "int64" else ctypes.c_int32
    for bounds, rows, steps in tables:
        function = library[search_name(stored, steps)]
        function.argtypes, function.restype = [number, ctypes.c_void_p], ctypes.c_int32
        for row, own in zip(rows, bounds, strict=True):
            beside = {int(b) + d for b in own for d in (-1, 0, 1)} | {ends.min, ends.max, 0}
            for value in beside:
                if ends.min <= value <= ends.max:
                    assert function(value, row.ctypes.data) == (value > own).sum()
