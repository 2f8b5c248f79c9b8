"""Batches in pieces: the same outputs in the same order, one warning, and no more memory."""

from __future__ import annotations

import threading
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2uqc.api import streamed
from n2uqc.api.progress import SILENT
from n2uqc.api.simulate import run, simulate
from n2uqc.api.streamed import run_all_pieces, run_pieces
from n2uqc.backends import compile as compile_program
from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.program import InputError, Program, SaturationWarning, quantize_inputs
from n2uqc.passes.program import run as interpret

from ..frontend.networks import build

CODES = "s = Div (x, k) c = Clip (s, lo, hi) r = Round (c) "


def network(body: str, x: str) -> Program:
    numbers = {"k": np.float32(0.25), "lo": np.float32(0), "hi": np.float32(7)}
    weight = np.random.default_rng(0).integers(-3, 4, (5, 2, 3, 3)) / 8
    model = build(CODES + body, numbers | {"W": weight}, x=x)
    return compile_graph(load_graph(model), Options(input_range=(-1.0, 2.0)))


@pytest.fixture(scope="module")
def one() -> Program:
    return network("y = Conv (r, W)", "float[N,2,6,6] x")


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 50])
def test_pieces_are_the_whole(
    one: Program, count: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 7 * 72)
    x = np.random.default_rng(1).uniform(-1, 2, (count, 2, 6, 6)).astype(np.float32)
    seen: list[int] = []
    turn = threading.Event()

    def runner(piece: Any) -> Any:
        (values,) = piece.values()
        seen.append(len(values))
        if len(seen) % 2:  # a later piece may be done before an earlier one
            turn.wait(0.01)
        return interpret(one, piece)

    got = run_all_pieces(runner, one, x, "test", SILENT, workers=workers)
    want = interpret(one, quantize_inputs(one, x))
    assert sum(seen) == count and max(seen) <= 7
    assert got.keys() == want.keys()
    np.testing.assert_array_equal(got["y"], want["y"])


def test_inputs_by_name_are_cut_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 10 * 144)
    program = network("t = Add (r, m) y = Conv (t, W)", "float[N,2,6,6] x, float[N,2,6,6] m")
    rng = np.random.default_rng(0)
    x = {n: rng.uniform(-1, 2, (23, 2, 6, 6)).astype(np.float32) for n in ("x", "m")}
    got = simulate(program, x).integers
    want = interpret(program, quantize_inputs(program, x))
    np.testing.assert_array_equal(got["y"], want["y"])


def test_what_is_clamped_is_told_once(one: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 4 * 72)
    x = np.zeros((20, 2, 6, 6), np.float32)
    x[3, 0, 0, 0], x[17, 1, 2, 3] = 5.0, -9.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        simulate(one, x)
    said = [w.message for w in caught if isinstance(w.message, SaturationWarning)]
    assert len(said) == 1
    assert (said[0].outside, said[0].values) == (2, x.size)
    assert said[0].ends == pytest.approx((-1, 2), abs=1e-5)


def test_a_place_is_that_of_the_batch(one: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 4 * 72)
    x = np.zeros((20, 2, 6, 6), np.float32)
    x[18, 1, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"index \(18, 1, 2, 3\)"):
        simulate(one, x)


def test_a_fault_ends_the_rest(one: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 72)
    calls: list[int] = []

    def runner(piece: Any) -> Any:
        calls.append(1)
        raise RuntimeError("no")

    x = np.zeros((500, 2, 6, 6), np.float32)
    with pytest.raises(RuntimeError, match="no"):
        list(run_pieces(runner, one, x, "test", SILENT, workers=2))
    assert len(calls) < 10


def test_a_mapped_file_takes_the_memory_of_a_piece(
    one: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 16 * 72)
    count = 20_000
    path = tmp_path / "x.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (count, 2, 6, 6))
    mapped[:] = 1.0
    mapped.flush()
    x = np.load(path, mmap_mode="r")
    tracemalloc.start()
    try:
        for _ in run_pieces(lambda piece: {"y": np.zeros((16, 1))}, one, x, "test", SILENT):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes // 10


def test_a_binary_runs_pieces_on_all_cores(one: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_PIECE_VALUES", 20 * 72)
    artifact = compile_program(one, "host")
    x = np.random.default_rng(1).uniform(-1, 2, (90, 2, 6, 6)).astype(np.float32)
    found = run(artifact, x)
    want = interpret(one, quantize_inputs(one, x))
    np.testing.assert_array_equal(found.integers["y"], want["y"])
