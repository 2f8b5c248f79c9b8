"""Generated objects: integer instructions only, nothing undefined, one export, equal bytes."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import te

from n2uqc.backends.cpu.entry import MISALIGNED, NULL_POINTER, OUT_OF_RANGE
from n2uqc.backends.tir import emit_object
from n2uqc.passes.program import run

from .disassembly import float_arithmetic, instructions, symbols
from .host import OBSERVED, SYMBOL, Host, llvm, write_object
from .networks import residual_network

TARGETS = ["host", "aarch64", "armv7"]
FAMILIES = [*TARGETS, "aarch64+dotprod", "aarch64+i8mm", "cortex-m4", "cortex-m7"]


@pytest.mark.parametrize(
    ("target", "bits"), [*((t, 2) for t in FAMILIES), *((t, 4) for t in TARGETS)]
)
def test_no_floating_point_and_nothing_undefined(target: str, bits: int, tmp_path: Path) -> None:
    path = tmp_path / "network.o"
    write_object(residual_network(bits), path, target)
    assert len(instructions(path)) > 1000
    assert float_arithmetic(path) == []
    found = symbols(path)
    assert [n for n, (bind, _) in found.items() if bind != "STB_LOCAL"] == [SYMBOL]
    assert [n for n, (_, section) in found.items() if section == "SHN_UNDEF"] == []
    assert f"{SYMBOL}_k00_conv_requantize_clamp" in found  # for profiles
    observed = symbols(path.with_suffix(OBSERVED))
    assert [n for n, (bind, s) in observed.items() if bind != "STB_LOCAL" and s != "SHN_UNDEF"] == [
        f"{SYMBOL}_observed"
    ]
    assert {n for n, (_, section) in observed.items() if section == "SHN_UNDEF"} <= found.keys()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "write",
    [
        lambda x, i: x[i] * x[i] + x[i],
        lambda x, i: x[i] / (x[i] + 1),
        lambda x, i: x[i].astype("int32").astype("float32"),
        lambda x, i: tvm.te.max(x[i], 0),
    ],
)
def test_the_check_catches_floating_point(target: str, write, tmp_path: Path) -> None:
    x = te.placeholder((64,), "float32", "x")
    kernel = te.create_prim_func([x, te.compute((64,), lambda i: write(x, i), "y")])
    path = tmp_path / "float.o"
    module = tvm.IRModule({"k": kernel.with_attr("global_symbol", "k")})
    emit_object(module, llvm(target), path)
    assert float_arithmetic(path)


def test_equal_programs_give_equal_bytes(tmp_path: Path) -> None:
    """Across processes, so that neither addresses nor hash seeds show."""
    write_object(residual_network(), tmp_path / "here.o", "aarch64")
    script = (
        "import sys; from pathlib import Path; from tests.backends.cpu.host import write_object; "
        "from tests.backends.cpu.networks import residual_network; "
        "write_object(residual_network(), Path(sys.argv[1]), 'aarch64')"
    )
    there = tmp_path / "there.o"
    subprocess.run(
        [sys.executable, "-c", script, str(there)], check=True, cwd=Path(__file__).parents[3]
    )
    assert (tmp_path / "here.o").read_bytes() == there.read_bytes()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(residual_network(), tmp_path_factory.mktemp("network"))


def test_threads_may_share_the_library(network: Host) -> None:
    program = network.program
    kind = program.types[program.input]
    x = np.random.default_rng(0).integers(kind.lo, kind.hi + 1, (4, 20, *kind.shape))
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: network(x[k])})) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_array_equal(found[k], run(program, x[k]))


def test_faults_of_the_caller_are_refused(tmp_path: Path) -> None:
    program = residual_network()
    kinds = program.types[program.input], program.types[program.output]
    narrow = Host(program, tmp_path)
    x, y = np.zeros(kinds[0].shape, np.uint8), np.full(kinds[1].shape, 77, kinds[1].container)
    space = narrow.workspace()
    places = [a.ctypes.data for a in (x, y, space)]
    call = lambda *p: narrow.function(*map(ctypes.c_void_p, p))  # noqa: E731
    for k in range(3):
        assert call(*(0 if n == k else p for n, p in enumerate(places))) == NULL_POINTER
    assert call(places[0], places[1], places[2] + 32) == MISALIGNED
    assert call(places[0], places[1] + 1, places[2]) == MISALIGNED
    assert (y == 77).all()
    assert call(*places) == 0


@pytest.mark.parametrize("wrong", [-3, 4, 127, -128])
def test_values_out_of_range_are_refused(wrong: int, tmp_path: Path) -> None:
    from tests.properties.programs import Builder

    b = Builder(0, 5, 3, 3, True)
    b.types["x"] = type(b.types["x"]).ranged((5, 5, 3), -2, 3, b.types["x"].scale)
    host = Host(b.finish(b.conv("x", 4, bits=2)), tmp_path)
    kind = host.program.types[host.program.output]
    y = np.full(kind.shape, 77, kind.container)
    for place in (0, 40, 74):
        x = np.full(75, -2, np.int8)
        x[place] = wrong
        assert host.call(x, y, host.workspace()) == OUT_OF_RANGE
        assert (y == 77).all()
        x[place] = 3
        assert host.call(x, y.copy(), host.workspace()) == 0
