"""Kernels through the shared plumbing: right numbers, plain objects, equal bytes, refusals."""

from __future__ import annotations

import ctypes
import io
from pathlib import Path

import numpy as np
import pytest
import tvm
from elftools.elf.elffile import ELFFile
from tvm import s_tir, te, tirx

from n2uqc.backends import toolchain
from n2uqc.backends.tir import ModuleConstants, emit_object, llvm_target, lower, moved_to_workspace
from n2uqc.backends.tir.lower import workspace_bytes
from tests.backends.cpu.disassembly import symbols

TRIPLES = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
HOST = llvm_target(f"{toolchain.machine()}-linux-gnu")


def product(name: str, n: int) -> tirx.PrimFunc:
    x, w = te.placeholder((n,), "uint8", "x"), te.placeholder((n,), "int32", "w")
    y = te.compute((n,), lambda i: x[i].astype("int32") * w[i], "y")
    return te.create_prim_func([x, w, y]).with_attr("global_symbol", name)


def write(values: np.ndarray, target: tvm.target.Target, path: Path) -> None:
    """``run(x, y)`` multiplies by a constant array through a private kernel."""
    constants = ModuleConstants()
    name = constants.add("weight", values)
    run = f"""define i32 @run(ptr %x, ptr %y) {{
  call void @kernel(ptr %x, ptr @{name}, ptr %y)
  ret i32 0
}}"""
    emit_object(
        tvm.IRModule({"kernel": product("kernel", len(values))}),
        target,
        path,
        private=["kernel"],
        constants=constants,
        more=run,
    )


def load(tmp_path: Path, path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(toolchain.shared_library([path], tmp_path / "k.so")))


def pointer(a: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.ctypes.data)


def test_constants_and_private_kernel_run_on_host(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-1000, 1000, 517, dtype=np.int32)
    path = tmp_path / "k.o"
    write(values, HOST, path)
    x, y = rng.integers(0, 256, 517, dtype=np.uint8), np.zeros(517, np.int32)
    assert load(tmp_path, path).run(pointer(x), pointer(y)) == 0
    assert (y == x * values).all()


@pytest.mark.parametrize("triple", TRIPLES)
def test_object_is_plain_and_reproducible(tmp_path: Path, triple: str) -> None:
    paths = [tmp_path / "one.o", tmp_path / "elsewhere.o"]
    for path in paths:
        write(np.arange(64, dtype=np.int32), llvm_target(triple), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    found = symbols(paths[0])
    assert [n for n, (bind, _) in found.items() if bind != "STB_LOCAL"] == ["run"]
    assert "kernel" in found
    assert not [n for n, (_, section) in found.items() if section == "SHN_UNDEF"]
    sections = {s.name for s in ELFFile(io.BytesIO(paths[0].read_bytes())).iter_sections()}
    assert not [s for s in sections if "debug" in s or "init_array" in s]


def test_loops_that_become_calls_bring_their_callee(tmp_path: Path) -> None:
    """LLVM makes memset of this loop; the object has to stand alone all the same."""
    n = 5003
    x = te.placeholder((n,), "uint8", "x")
    y = te.compute(
        (2 * n,),
        lambda i: tirx.if_then_else(i < n, x[tirx.min(i, n - 1)], tirx.const(0, "uint8")),
        "y",
    )
    path = tmp_path / "k.o"
    kernel = te.create_prim_func([x, y]).with_attr("global_symbol", "k")
    emit_object(tvm.IRModule({"k": kernel}), HOST, path)
    assert not [n for n, (_, section) in symbols(path).items() if section == "SHN_UNDEF"]
    a, out = np.arange(n, dtype=np.int64).astype(np.uint8), np.full(2 * n, 7, np.uint8)
    load(tmp_path, path).k(pointer(a), pointer(out))
    assert (out[:n] == a).all() and (out[n:] == 0).all()


def test_equal_constants_share_a_place() -> None:
    constants = ModuleConstants()
    first = constants.add("a", np.arange(5, dtype=np.int8))
    assert constants.add("b", np.arange(5, dtype=np.int8)) == first
    assert constants.add("b", np.arange(5, dtype=np.int16)) != first


def test_big_temporaries_move_to_the_workspace(tmp_path: Path) -> None:
    n = 64
    x = te.placeholder((n, n), "int32", "x")
    t = te.compute((n, n), lambda i, j: x[j, i] + 1, "t")
    y = te.compute((n, n), lambda i, j: t[j, i] + t[i, j], "y")
    schedule = s_tir.Schedule(te.create_prim_func([x, y]).with_attr("global_symbol", "k"))
    low = moved_to_workspace(lower(schedule.mod, HOST))
    (f,) = low.functions.values()
    assert workspace_bytes(f) == n * n * 4
    path = tmp_path / "k.o"
    emit_object(low, HOST, path, lowered=True)
    a = np.arange(n * n, dtype=np.int32).reshape(n, n)
    out, space = np.zeros_like(a), np.zeros(n * n * 4, np.uint8)
    load(tmp_path, path).k(pointer(a), pointer(out), pointer(space))
    assert (out == a + a.T + 2).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("aarch64-linux-gnu", "cortex-a999"), "no processor 'cortex-a999'.*cortex-a72"),
        (("aarch64-linux-gnu", "generic", ["+sparkle"]), "no feature 'sparkle'"),
        (("aarch64-linux-gnu", "generic", ["dotprod"]), r"write \+dotprod or -dotprod"),
    ],
)
def test_unknown_processors_and_features_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        llvm_target(*arguments)
