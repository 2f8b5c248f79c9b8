"""What the datapath's tests draw: random programs at random legal foldings."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from n2uqc.backends.fpga import Fold, Folding
from n2uqc.backends.fpga.engines import engine_of
from n2uqc.passes.program import Flatten, Program

from ...properties.programs import programs


def random_folding(draw: st.DrawFn, program: Program) -> Folding:
    """Any legal folding."""
    folds = {}
    for op in program.ops:
        if not isinstance(op, Flatten):
            engine = engine_of(op, program)
            folds[op.output] = Fold(
                draw(st.sampled_from(engine.pe_options)), draw(st.sampled_from(engine.simd_options))
            )
    return Folding(folds)


@st.composite
def folded_programs(draw: st.DrawFn) -> tuple[Program, np.ndarray[Any, Any], Folding]:
    """A random program, a batch for it and a legal folding."""
    program, x = draw(programs())
    return program, x, random_folding(draw, program)
