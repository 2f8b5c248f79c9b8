"""The engine of every operation in the datapath: lanes, cycles and line buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from n2uqc.passes.program import Program

from ..fpga.engines import Fold
from ..fpga.engines.token_timing import WindowTiming
from ..fpga.folding import Folding, default_folding, engines_of

Lanes = tuple[int, int]
"""(PE, SIMD)"""


@dataclass(frozen=True)
class Site:
    """The engine of one operation.

    Attributes:
        kind: kind of engine.
        pe, simd: results computed in parallel, and operands of each per cycle.
        cycles: busy cycles per image; (MH/PE)(MW/SIMD)V of a convolution, unless its input takes
            longer to arrive (FINN-R, Blott et al., TRETS 2018).
        buffer_elements: elements of its line buffer; 0 if it has none.
    """

    kind: str
    pe: int
    simd: int
    cycles: int
    buffer_elements: int

    @property
    def lanes(self) -> int:
        return self.pe * self.simd


def find_sites(
    program: Program,
    folding: Folding | Mapping[str, Lanes] | None = None,
    cycles: int | None = None,
) -> dict[str, Site]:
    """Return the site of every operation except flattening, by output name.

    Args:
        program: a lowered program.
        folding: a folding of the datapath, or (PE, SIMD) of some engines with the default for the
            others, or None for the default of the datapath simulator.
        cycles: target of the default, busy cycles per image.

    Raises:
        CompileError: the folding does not fit the program, or the target cannot be reached.
    """
    if not isinstance(folding, Folding):
        given = {name: Fold(*lanes) for name, lanes in (folding or {}).items()}
        folding = Folding({**default_folding(program, cycles=cycles).engines, **given})
    folding.check(program)
    sites = {}
    for engine in engines_of(program):
        fold = folding.engines[engine.name]
        timing = engine.folded(fold).timing
        held = 0
        if isinstance(timing, WindowTiming):
            held = timing.rows * timing.kept[1] * engine.inputs[0].shape[2]
        sites[engine.name] = Site(engine.kind, fold.pe, fold.simd, timing.cycles, held)
    return sites
