"""The fastest balanced folding within a budget, against all of them one by one."""

from __future__ import annotations

import pytest

from n2uqc.backends.fpga import default_folding, fitting
from n2uqc.backends.fpga.engines import Fold
from n2uqc.backends.fpga.folding import Folding, engines_of
from n2uqc.backends.fpga.hdl.terms import Cells
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program

from ...properties.programs import Builder


def network() -> Program:
    b = Builder(0, 4, 4, 2, False)
    codes = b.thresholds(b.conv("x", 4, bits=2), 2)
    return b.finish(b.requantize(b.conv(codes, 4, bits=2)))


def lanes(folding: Folding) -> int:
    return sum(fold.pe * fold.simd for fold in folding.engines.values())


def foldings(program: Program) -> list[Folding]:
    """Return every balanced folding, the fastest first."""
    found: list[Folding] = []
    times = {
        engine.folded(Fold(pe, simd)).cycles
        for engine in engines_of(program)
        for pe in engine.pe_options
        for simd in engine.simd_options
    }
    for cycles in sorted(times):
        try:
            found.append(default_folding(program, cycles=cycles))
        except CompileError:
            continue
    return found


def test_the_fastest_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every count of lanes of a folding is tried as the budget, and one less than that."""
    monkeypatch.setattr(fitting, "_taken", lambda engines, folding: Cells(lut=lanes(folding)))
    program = network()
    every = foldings(program)
    assert len(every) > 4
    for each in every:
        for budget in (lanes(each), lanes(each) - 1):
            monkeypatch.setattr(fitting, "BUDGET", {"lut": budget})
            fits = [folding for folding in every if lanes(folding) <= budget]
            if fits:  # a budget that none keeps is not heeded
                assert fitting.fitting_folding(program) == fits[0]
