"""Random programs as hardware description, stepped by Amaranth's simulator: bits and cycles."""

from __future__ import annotations

import random
from pathlib import Path

from n2uqc.backends.fpga import build_pipeline
from n2uqc.backends.fpga.timing.network import MachineNetwork
from tests.backends.fpga.cases import folded_chains, folded_codebooks, folded_programs
from tests.backends.fpga.test_rtl import CYCLES, agrees, small

from ..drawing import drawn
from ..judge import Skip
from ..workers import Limits, Say
from .input_kind import Kind


class Hardware(Kind):
    """The content is the seed."""

    def draw(self, source: random.Random) -> bytes:
        return str(source.getrandbits(32)).encode()

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        seed = int(content)
        strategy = folded_programs() | folded_chains() | folded_codebooks()
        for program, x, folding in drawn(strategy, seed, 8):
            if not small(folding) or program.types[program.input].size >= 900:
                continue
            network = MachineNetwork(build_pipeline(program, folding))
            if network.bottleneck * (len(x) + 1) < CYCLES:
                agrees(program, x, network, seed)
                return "simulated"
        raise Skip

    def smaller(self, content: bytes):  # type: ignore[no-untyped-def]
        return iter(())


HARDWARE = Hardware(
    "hardware",
    full=40,
    share=0.02,
    brief=1,
    batch=5,
    suffix=".txt",
    limits=Limits(seconds=120, address_space=False),
)
