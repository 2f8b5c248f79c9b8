"""Which kernels may write over an input, and that those which do compute the same."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import te, tirx

from n2uqc.backends import toolchain
from n2uqc.backends.tir import emit_object, lower
from n2uqc.backends.tir.in_place import in_place, updates
from tests.backends.cpu.host import llvm

SHAPE = (16, 32)
Write = Callable[[te.Tensor, te.Tensor], te.Tensor]


def lowered(write: Write, dtypes: tuple[str, str] = ("int32", "int32")) -> tirx.PrimFunc:
    x, z = (te.placeholder(SHAPE, dtype, name) for dtype, name in zip(dtypes, "xz", strict=True))
    function = te.create_prim_func([x, z, write(x, z)]).with_attr("global_symbol", "kernel")
    module = lower(tvm.IRModule({"kernel": function.with_attr("tirx.noalias", True)}), llvm("host"))
    return module["kernel"]


def elementwise(element: Callable[..., object]) -> Write:
    return lambda x, z: te.compute(SHAPE, lambda i, j: element(x, z, i, j), "y")


ALLOWED = {
    "sum": elementwise(lambda x, z, i, j: x[i, j] + z[i, j]),
    "twice": elementwise(lambda x, z, i, j: x[i, j] * x[i, j] + z[i, j]),
    "guarded": elementwise(
        lambda x, z, i, j: tirx.if_then_else(i < 9, x[i, j], 5) + z[SHAPE[0] - 1 - i, j]
    ),
}
REFUSED = {
    "another place": elementwise(lambda x, z, i, j: x[SHAPE[0] - 1 - i, j] + z[i, j]),
    "a neighbor": elementwise(lambda x, z, i, j: x[i, j] + x[tirx.max(i - 1, 0), j]),
    "a wider output": elementwise(lambda x, z, i, j: x[i, j].astype("int64")),
    "unread": elementwise(lambda x, z, i, j: z[i, j]),
    "in two stages": lambda x, z: (
        lambda first: te.compute(SHAPE, lambda i, j: first[i, j] + z[i, j], "y")
    )(te.compute(SHAPE, lambda i, j: x[i, j] * 3, "first")),
}


def pointers(f: tirx.PrimFunc) -> tuple[tirx.Var, tirx.Var]:
    return f.params[0], f.params[2]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    f = lowered(REFUSED[name])
    assert not updates(f, *pointers(f))


@pytest.mark.parametrize("name", ALLOWED)
def test_computes_the_same(name: str, tmp_path: Path) -> None:
    f = lowered(ALLOWED[name])
    assert updates(f, *pointers(f))
    one = in_place(f, *pointers(f))
    assert len(one.params) == 2
    functions = {
        "apart": f.with_attr("global_symbol", "apart"),
        "over": one.with_attr("global_symbol", "over"),
    }
    emit_object(tvm.IRModule(functions), llvm("host"), tmp_path / "k.o", lowered=True)
    library = ctypes.CDLL(str(toolchain.shared_library([tmp_path / "k.o"], tmp_path / "k.so")))
    x, z = np.random.default_rng(0).integers(-100, 100, (2, *SHAPE), dtype=np.int32)
    y = np.zeros_like(x)
    pointer = lambda a: ctypes.c_void_p(a.ctypes.data)  # noqa: E731
    library.apart(pointer(x), pointer(z), pointer(y))
    library.over(pointer(x), pointer(z))
    np.testing.assert_array_equal(x, y)
