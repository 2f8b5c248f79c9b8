"""Cycles: against a model that steps a clock, against closed formulas, and what must hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from n2uqc.backends.fpga import (
    Fold,
    Folding,
    Simulator,
    build_pipeline,
    default_folding,
    describe,
    jit,
    simulate_timing,
)
from n2uqc.backends.fpga.engines import Source, WindowTiming
from n2uqc.backends.fpga.folding import engines_of
from n2uqc.backends.fpga.timing import MachineNetwork, Run
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Add, Conv, IntType, MaxPool, SumPool

from ...properties.programs import Builder
from .cases import folded_chains, folded_codebooks, folded_programs
from .clocked import run_clocked

IMAGES = 3


def compare(network: MachineNetwork, depths: list[int]) -> None:
    """Every token of every edge enters and leaves in the same cycle, or both come to a stop."""
    slow = run_clocked(network.pipeline, depths, IMAGES)
    complete = all(
        len(f.left) == e.tokens * IMAGES for f, e in zip(slow, network.pipeline.edges, strict=True)
    )
    if not complete:
        with pytest.raises(CompileError, match="deadlock"):
            network.run(IMAGES, depths)
        return
    run = network.run(IMAGES, depths)
    most, _ = run.occupancy()
    for k, fifo in enumerate(slow):
        part = slice(run.offsets[k], run.offsets[k] + run.tokens[k])
        assert run.give_stamp[part].tolist() == fifo.entered
        assert run.take_stamp[part].tolist() == fifo.left
        assert most[k] == fifo.most


@settings(max_examples=25, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks(), st.data())
def test_without_a_code_generator_it_is_the_same(case: Any, data: st.DataObject) -> None:
    program, _, folding = case
    network = MachineNetwork(build_pipeline(program, folding))
    assume(network.bottleneck < 1500)
    depths = [data.draw(st.integers(1, size)) for size in network.sizes]
    pace = data.draw(st.sampled_from([0, network.bottleneck]))
    found = []
    for available in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jit, "available", lambda available=available: available)
            found.append(Run(network, IMAGES, np.array(depths), pace))
            occupied = found[-1].occupancy() if _complete(found[-1]) else None
            found.append(occupied)
    (compiled, most), (plain, other) = found[:2], found[2:]
    for name in ("state", "given", "taken", "give_stamp", "take_stamp", "stats"):
        np.testing.assert_array_equal(getattr(compiled, name), getattr(plain, name), name)
    assert (most is None) == (other is None)
    if most is not None:
        assert most[0].tolist() == other[0].tolist() and most[1] == other[1]


def _complete(run: Run) -> bool:
    return bool((run.given == run.tokens).all() and (run.taken == run.tokens).all())


@settings(max_examples=60, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks(), st.data())
def test_equals_a_clocked_model(case: Any, data: st.DataObject) -> None:
    program, _, folding = case
    network = MachineNetwork(build_pipeline(program, folding))
    assume(network.bottleneck < 1500)
    depths = list(network.sizes)
    if data.draw(st.booleans()):
        depths = [data.draw(st.integers(1, depth)) for depth in depths]
    compare(network, depths)


@settings(max_examples=200, deadline=None)
@given(folded_programs() | folded_chains() | folded_codebooks())
def test_sized_fifos_keep_the_bottleneck_busy(case: Any) -> None:
    program, _, folding = case
    pipeline = build_pipeline(program, folding)
    timing, network = simulate_timing(pipeline), MachineNetwork(pipeline)
    assert timing.settled
    assert timing.interval == network.bottleneck == max(e.cycles for e in pipeline.engines)
    assert max(engine.last for engine in timing.engines) + 1 >= network.bottleneck
    assert all(o <= d for o, d in zip(timing.occupancy, timing.depths, strict=True))
    for engine in timing.engines:
        assert engine.busy <= timing.interval
        assert engine.first <= engine.last


@settings(max_examples=60, deadline=None)
@given(folded_programs(), st.data())
def test_more_parallel_is_never_slower(case: Any, data: st.DataObject) -> None:
    program, _, folding = case
    engine = data.draw(st.sampled_from(list(engines_of(program))))
    old = folding.engines[engine.name]
    pe = data.draw(st.sampled_from([p for p in engine.pe_options if p % old.pe == 0]))
    simd = data.draw(st.sampled_from([s for s in engine.simd_options if s % old.simd == 0]))
    more = Folding({**folding.engines, engine.name: Fold(pe, simd)})
    assert engine.folded(Fold(pe, simd)).cycles <= engine.folded(old).cycles
    slow, fast = (simulate_timing(build_pipeline(program, f)) for f in (folding, more))
    assert fast.interval <= slow.interval


@settings(max_examples=60, deadline=None)
@given(folded_programs())
def test_deeper_fifos_are_never_slower(case: Any) -> None:
    program, _, folding = case
    network = MachineNetwork(build_pipeline(program, folding))
    sized = network.run(IMAGES, network.sizes)
    deeper = network.run(IMAGES, [2 * d + 3 for d in network.sizes])
    assert (deeper.ends() <= sized.ends()).all()
    assert (deeper.take_stamp <= sized.take_stamp).all()


def convolution(
    size: int, depth: int, out: int, kernel: int, stride: int, pad: int, groups: int = 1
) -> tuple[Builder, str]:
    b = Builder(5, size, depth, 2, False)
    shape = (out, kernel, kernel, depth // groups)
    from n2uqc.passes.program import Constant

    weight = b.const(Constant.odd(2 * b.rng.integers(0, 4, shape) - 3, 2))
    return b, b.add(
        Conv, "x", weight=weight, stride=(stride, stride), pads=(pad,) * 4, groups=groups
    )


def finished(b: Builder, output: str) -> Any:
    """The program with a known scale at its end."""
    old = b.types[output]
    b.types[output] = IntType.ranged(old.shape, old.lo, old.hi, b.types["x"].scale)
    return b.finish(output)


@pytest.mark.parametrize("pe", [1, 2, 4, 8])
@pytest.mark.parametrize("simd", [1, 2, 4, 12, 36])
@pytest.mark.parametrize(("stride", "pad"), [(1, 1), (2, 1), (1, 0)])
def test_a_matrix_vector_engine_takes_its_formula(
    pe: int, simd: int, stride: int, pad: int
) -> None:
    b, y = convolution(8, 4, 8, 3, stride, pad)
    program = finished(b, y)
    pipeline = build_pipeline(program, Folding({y: Fold(pe, simd)}))
    height, width, out = program.types[y].shape
    work = height * width * (out // pe) * (3 * 3 * 4 // simd)
    fill = 8 * 8 * 4 // min(simd, 4)
    engine = next(e for e in pipeline.engines if e.name == y)
    assert engine.cycles == max(work, fill)
    run = MachineNetwork(pipeline).settled(MachineNetwork(pipeline).sizes)
    reader = run.stats[run.network.machines[pipeline.engines.index(engine)][1]]
    if work >= fill:  # never starved: back to back, without a pause between images
        assert (np.diff(reader[:, 1]) == work).all()
        assert reader[1:, 2:].sum() == 0


def test_start_up_of_a_three_by_three_window() -> None:
    """Computed by hand: 4x4 map, one pixel per cycle, one result of one cycle for each window."""
    b, y = convolution(4, 2, 2, 3, 1, 1)
    program = finished(b, y)
    run = MachineNetwork(build_pipeline(program, Folding({y: Fold(2, 18)}))).run(1, [2, 10])
    # The source gives pixel k in cycle k, it is written in k + 1. Window (0, 0) needs pixel (1, 1),
    # the sixth: written in cycle 6, read in 7. Register stages: 3 + ceil(log2 18) = 8.
    assert run.give_stamp[16:].tolist() == [7 + 8 + k for k in range(16)]
    # No window waits again: (0, 3) needs nothing new, for its last column is padding, and so on.
    assert run.stats[2, 0].tolist() == [7, 22, 0, 0]
    # 8 register stages and 2 places keep a token per cycle flowing; one place less costs a cycle
    # whenever its credit comes back late.
    assert MachineNetwork(run.network.pipeline).run(1, [2, 9]).stats[2, 0].tolist() == [7, 23, 0, 1]


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "rows"), [(1, 1, 0, 2), (3, 1, 1, 4), (3, 2, 1, 5), (3, 1, 0, 6)]
)
def test_rows_of_line_buffers(kernel: int, stride: int, pad: int, rows: int) -> None:
    b, y = convolution(16, 1, 1, kernel, stride, pad)
    timing = next(engines_of(finished(b, y))).timing
    assert isinstance(timing, WindowTiming)
    assert timing.rows == rows


def test_a_pool_over_the_whole_map() -> None:
    b = Builder(1, 5, 6, 4, False)
    program = finished(b, b.add(SumPool, "x", kernel=(5, 5)))
    engine = next(engines_of(program)).folded(Fold(2, 1))
    assert (engine.kind, engine.cycles) == ("global pool", 5 * 5 * 3)


def test_depthwise_and_pool_formulas() -> None:
    b, y = convolution(6, 4, 4, 3, 1, 1, groups=4)
    engine = next(engines_of(finished(b, y))).folded(Fold(2, 3))
    assert (engine.kind, engine.cycles) == ("depthwise", 36 * 2 * 3)
    b = Builder(1, 6, 4, 4, False)
    program = finished(b, b.add(MaxPool, "x", kernel=(2, 2), stride=(2, 2)))
    engine = next(engines_of(program)).folded(Fold(4, 2))
    assert (engine.kind, engine.cycles) == ("pool", max(9 * 2, 36))


def residual() -> Any:
    """A skip connection around two convolutions."""
    b = Builder(3, 6, 4, 8, True)
    stream = b.requantize(b.conv("x", 4, bits=3, odd=False, kernel=1))
    branch = b.conv(b.thresholds(stream, 2), 4, bits=2, kernel=1)
    branch = b.requantize(b.conv(b.thresholds(branch, 2), 4, bits=2, kernel=1))
    return finished(b, b.add(Add, branch, stream))


def test_a_short_skip_fifo_is_a_named_deadlock() -> None:
    program = residual()
    # a wide window in the branch needs tokens that the full skip FIFO holds back
    pipeline = build_pipeline(program, Folding({e.name: Fold(1, 1) for e in engines_of(program)}))
    skip = next(
        k
        for k, e in enumerate(pipeline.edges)
        if pipeline.engines[e.source].kind == "fork" and pipeline.engines[e.target].kind == "add"
    )
    sized = simulate_timing(pipeline)
    assert sized.depths[skip] > 4
    with pytest.raises(CompileError, match="deadlock") as caught:
        simulate_timing(pipeline, depths={skip: 1})
    assert pipeline.label(pipeline.edges[skip]) in str(caught.value)
    assert f"{sized.depths[skip]} places" in str(caught.value)
    with pytest.raises(ValueError, match="0 places"):
        simulate_timing(pipeline, depths={skip: 0})


def test_long_runs_need_64_bit_stamps() -> None:
    b, y = convolution(3, 1, 1, 1, 1, 0)
    network = MachineNetwork(build_pipeline(finished(b, y), Folding({y: Fold(1, 1)})))
    source = next(k for k, e in enumerate(network.pipeline.engines) if isinstance(e, Source))
    pace = 2**33
    run = network.run(2, [2, 2], pace=pace)
    assert run.stamp == "int64"
    assert run.stats[network.machines[source][0], 1, 1] == (17 * pace) // 9


@pytest.mark.parametrize("images", [5, 8])
def test_what_does_not_settle_has_the_mean_of_the_second_half(
    monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    """Gaps between images that never stop growing, rounded up."""
    b, y = convolution(3, 1, 1, 1, 1, 0)
    pipeline = build_pipeline(finished(b, y), Folding({y: Fold(1, 1)}))
    monkeypatch.setattr(jit, "available", lambda: False)
    run = MachineNetwork(pipeline).run(images, [2, 2])
    gaps = np.array([10, 11, 13, 16, 21, 29, 40, 55])[:images]
    monkeypatch.setattr(MachineNetwork, "settled", lambda network, depths: run)
    monkeypatch.setattr(Run, "ends", lambda _: np.cumsum(gaps))
    monkeypatch.setattr(Run, "steady", False)
    monkeypatch.setattr(Run, "sufficient", False)
    timing = simulate_timing(pipeline)
    assert not timing.settled and timing.ends == tuple(np.cumsum(gaps))
    assert timing.interval == {5: 17, 8: 37}[images]  # of (13, 16, 21) and (21, 29, 40, 55)
    assert timing.latency == 11


def test_reports() -> None:
    program = residual()
    simulation = Simulator(program, default_folding(program)).run(np.zeros((1, 6, 6, 4), np.int64))
    rows = list(simulation.rows())
    assert [r["name"] for r in rows] == [op.output for op in program.ops]
    assert len(list(simulation.rows(plumbing=True))) == len(simulation.engines) > len(rows)
    assert {
        "kind",
        "pe",
        "simd",
        "bits",
        "busy",
        "starved",
        "blocked",
        "first",
        "last",
        "node",
        "wraps",
        "overflows",
        "interval",
    } <= set(rows[0])
    assert simulation.images_per_second(1e8) == 1e8 / simulation.interval
    assert len(simulation.edges) == len(simulation.timing.depths)
    text = json.loads(json.dumps(describe(simulation.simulator.pipeline, simulation.timing)))
    assert text["interval_cycles"] == simulation.interval
    assert [f["depth"] for f in text["fifos"]] == list(simulation.timing.depths)
    assert [e["busy"] for e in text["engines"]] == [e.busy for e in simulation.engines]
    assert [e["name"] for e in text["engines"]] == [e.name for e in simulation.engines]
    first = text["engines"][1]  # 1x1: two pixels of four channels of 8 bits
    assert first["line_buffer_bits"] == 2 * 4 * 8
    assert first["constant_bits"] == 4 * 4 * program.constants[program.ops[0].weight].bits
