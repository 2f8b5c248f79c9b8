"""The processors that unicorn emulates for Linux programs: registers, and how they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import unicorn
from unicorn import arm64_const as a64
from unicorn import arm_const as a32

from .linux_abi import AARCH64, ARM
from .linux_calls import Abi

_engine: Any = unicorn  # its own annotations are too few to check against

_HWCAP_FP_ASIMD = 3  # asm/hwcap.h of arm64
_HWCAP_ARMV7 = 1 << 1 | 1 << 2 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 13 | 1 << 15
"""asm/hwcap.h of arm: half words, Thumb, VFP, DSP, NEON, VFPv3, thread register."""


@dataclass(frozen=True)
class Cpu:
    """One architecture under unicorn.

    Attributes:
        abi: its Linux.
        kind, model: unicorn's numbers.
        arguments: registers of a call's arguments, the result in the first.
        number: register of a call's number.
        stack, place: stack pointer and program counter.
        stack_top: the highest address of the stack.
        capabilities: AT_HWCAP, for C libraries that choose functions by it.
        start: switches the vector unit on.
    """

    abi: Abi
    kind: int
    model: int
    arguments: tuple[int, ...]
    number: int
    stack: int
    place: int
    stack_top: int
    capabilities: int
    start: Callable[[Any], None]

    def machine(self) -> Any:
        """A new emulated processor."""
        machine = _engine.Uc(self.kind, _engine.UC_MODE_ARM)
        machine.ctl_set_cpu_model(self.model)
        self.start(machine)
        return machine


def _vectors_aarch64(machine: Any) -> None:
    machine.reg_write(a64.UC_ARM64_REG_CPACR_EL1, 3 << 20)


def _vectors_arm(machine: Any) -> None:
    machine.reg_write(a32.UC_ARM_REG_C1_C0_2, 0xF << 20)
    machine.reg_write(a32.UC_ARM_REG_FPEXC, 1 << 30)


CPUS = {
    "aarch64": Cpu(
        AARCH64,
        _engine.UC_ARCH_ARM64,
        a64.UC_CPU_ARM64_MAX,
        tuple(a64.UC_ARM64_REG_X0 + k for k in range(6)),
        a64.UC_ARM64_REG_X8,
        a64.UC_ARM64_REG_SP,
        a64.UC_ARM64_REG_PC,
        0x7FFF_F000_0000,
        _HWCAP_FP_ASIMD,
        _vectors_aarch64,
    ),
    "armv7": Cpu(
        ARM,
        _engine.UC_ARCH_ARM,
        a32.UC_CPU_ARM_CORTEX_A15,
        tuple(a32.UC_ARM_REG_R0 + k for k in range(6)),
        a32.UC_ARM_REG_R7,
        a32.UC_ARM_REG_SP,
        a32.UC_ARM_REG_PC,
        0x7FFF_0000,
        _HWCAP_ARMV7,
        _vectors_arm,
    ),
}
"""By architecture."""
