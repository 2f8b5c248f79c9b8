"""Gates: a map waits in its FIFO until what multiplies it is known, as hardware and in cycles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("amaranth", reason="hardware needs the extra rtl")

from n2uqc.backends.fpga import Fold, Folding, Simulator, build_pipeline, default_folding
from n2uqc.backends.fpga.pipeline import repetitions
from n2uqc.backends.fpga.timing import MachineNetwork
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Multiply, Program, SumPool, run

from ...properties.programs import Builder
from .clocked import run_clocked
from .test_rtl import agrees, any_folding

SIZE = (4, 3)
WINDOWS = (SIZE, (SIZE[0], 1), (1, SIZE[1]), (1, 1))


def gated(window: tuple[int, int], *, one: bool, seed: int = 0, channels: int = 4) -> Program:
    """A map times sums over a window of it, of every channel or of all of them together."""
    b = Builder(seed, 1, channels, 4, True)
    kind = b.types["x"]
    b.types["x"] = type(kind).ranged((*SIZE, channels), kind.lo, kind.hi, kind.scale)
    gate = b.add(SumPool, "x", kernel=window)
    gate = b.conv(gate, 1, bits=2, odd=False, kernel=1) if one else gate
    return b.finish(b.requantize(b.add(Multiply, "x", gate), 12))


@settings(max_examples=4, deadline=None)
@given(st.sampled_from(WINDOWS), st.booleans(), st.integers(0, 2**32 - 1))
def test_hardware_equals_interpreter_and_timing(
    window: tuple[int, int], one: bool, seed: int
) -> None:
    program = gated(window, one=one, seed=seed)
    folding = any_folding(program, seed)
    x = np.random.default_rng(seed).integers(-8, 8, (2, *program.types["x"].shape))
    agrees(program, x, MachineNetwork(build_pipeline(program, folding)), seed)
    simulation = Simulator(program, folding).run(x)
    assert np.array_equal(simulation.output, run(program, x))
    assert simulation.overflows == 0


@pytest.mark.parametrize("pe", [1, 2, 4])
def test_the_branch_holds_the_whole_map(pe: int) -> None:
    program = gated(SIZE, one=False)
    folding = Folding({name: Fold(pe) for name in default_folding(program).engines})
    network = MachineNetwork(build_pipeline(program, folding))
    branch = next(
        k
        for k, edge in enumerate(network.pipeline.edges)
        if isinstance(network.pipeline.engines[edge.target].op, Multiply)
        and edge.tensor == program.input
    )
    tokens = network.pipeline.edges[branch].tokens
    least = tokens - tokens // (SIZE[0] * SIZE[1])  # all but the last pixel, which ends the sums
    assert network.sizes[branch] > least
    depths: list[Any] = list(network.sizes)
    assert network.run(3, depths).steady
    depths[branch] = least - 1
    with pytest.raises(CompileError, match="deadlock"):
        network.run(2, depths)
    assert any(
        len(fifo.left) < 2 * edge.tokens
        for fifo, edge in zip(
            run_clocked(network.pipeline, depths, 2), network.pipeline.edges, strict=True
        )
    )


@pytest.mark.parametrize(
    "small", [(1, 1, 4), (5, 1, 4), (1, 3, 4), (5, 3, 1), (1, 3, 1), (1, 1, 1)]
)
def test_repetitions_give_what_numpy_broadcasts(small: tuple[int, int, int]) -> None:
    large = (5, 3, 4)
    stream = np.arange(np.prod(small))
    for run_length, after in repetitions(small, large):
        times = np.prod(after) // len(stream)
        stream = np.repeat(stream.reshape(-1, 1, run_length), times, axis=1).ravel()
    whole = np.broadcast_to(np.arange(np.prod(small)).reshape(small), large)
    assert stream.tolist() == whole.ravel().tolist()


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_functions_by_pieces(seed: int) -> None:
    """One table or one a channel, at any folding, with what reads it."""
    b = Builder(seed, 2, 4, 1 + seed % 12, bool(seed % 2))
    program = b.finish(b.requantize(b.interpolate("x"), 12))
    folding = any_folding(program, seed)
    x = b.input(2)
    agrees(program, x, MachineNetwork(build_pipeline(program, folding)), seed)
    assert np.array_equal(Simulator(program, folding).run(x).output, run(program, x))
