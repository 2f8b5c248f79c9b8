"""What each figure of a report rests on, and the command that makes it again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

Kind = Literal["synthesized", "simulated", "counted", "modeled"]
MARKS: dict[Kind, str] = {"synthesized": "y", "simulated": "s", "counted": "c", "modeled": "m"}
"""Letters behind the titles of columns."""


@dataclass(frozen=True)
class Evidence:
    """What some figures rest on.

    Attributes:
        figures: their names on the page.
        fields: their names in JSON.
        kind: how they came about.
        text: how, in a sentence.
        command: what makes them again.
    """

    figures: str
    fields: tuple[str, ...]
    kind: Kind
    text: str
    command: str


def evidence(model: str, command: str) -> tuple[Evidence, ...]:
    """The records of a report.

    Args:
        model: name of a network's file.
        command: that made the report; "" if none did.
    """
    model = shlex.quote(model)
    again = command or f"n2uqc cost {model}"
    return (
        Evidence(
            "LUT, FF, carry, DSP, BRAM18",
            ("lut", "ff", "carry", "dsp", "bram18"),
            "counted",
            "from the hardware's description, as synthesis maps it; nothing was placed or routed",
            again,
        ),
        Evidence(
            "the same, checked",
            ("synthesis",),
            "synthesized",
            "by yosys, engine by engine, printed beside the counts",
            f"{again} --synthesize",
        ),
        Evidence(
            "cycles, PE, SIMD",
            ("cycles", "interval", "pe", "simd"),
            "counted",
            "from the folding; the simulated datapath keeps to it cycle by cycle",
            f"n2uqc simulate {model} --datapath --input X.npy",
        ),
        Evidence(
            "kbit, operators, multiplications",
            ("bits", "hardware", "operations", "macs", "low_bit_macs"),
            "counted",
            "from the integer program",
            again,
        ),
        Evidence(
            "nJ, energy",
            ("energy", "energy_nj"),
            "modeled",
            "arithmetic and memory reads at 45 nm; no clock tree, leakage or DRAM",
            again,
        ),
        Evidence(
            "accuracy",
            ("accuracy",),
            "simulated",
            "the integer program run on labeled images",
            again if "--data" in again else f"{again} --data F.npz",
        ),
        Evidence(
            "instructions",
            ("instructions",),
            "simulated",
            "executed under emulation for one image",
            again if "--processor" in again else f"{again} --processor cortex-a72",
        ),
        Evidence(
            "estimated cycles of a processor",
            ("processor.cycles",),
            "modeled",
            "by llvm-mca, without caches and branch mispredictions",
            again if "--processor" in again else f"{again} --processor cortex-a72",
        ),
    )
