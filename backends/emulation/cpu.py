"""The processors that unicorn emulates for Linux programs: registers and initial state."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import unicorn
from unicorn import arm64_const as a64
from unicorn import arm_const as a32
from unicorn import riscv_const as rv

from .linux_abi import AARCH64, ARM, RISCV64
from .linux_calls import Abi

_engine: Any = unicorn  # unicorn's annotations are incomplete

_HWCAP_AARCH64 = 1 << 0 | 1 << 1 | 1 << 20
_HWCAP2_AARCH64 = 1 << 13
"""Capabilities (asm/hwcap.h of arm64): floating point, Advanced SIMD, dot products; matrix
products, which ``matrix.py`` adds to unicorn.
"""
HELPERS = 0xFFFF_0000
_KERNEL_HELPERS = {
    # if *r2 == r0: *r2 = r1, r0 = 0; without exclusive access, as there is only one thread
    0xFC0: struct.pack("<5I", 0xE5923000, 0xE0533000, 0x05821000, 0xE2730000, 0xE12FFF1E),
    0xFA0: struct.pack("<I", 0xE12FFF1E),  # memory barrier: bx lr
    0xFE0: struct.pack("<2I", 0xEE1D0F70, 0xE12FFF1E),  # thread pointer: mrc p15, 0, r0, c13, c0, 3
    0xFFC: struct.pack("<I", 5),  # number of helpers
}
"""Kernel helpers for old cores (Linux, Documentation/arch/arm/kernel_user_helpers.rst)."""

_HWCAP_RISCV64 = sum(1 << "abcdefghijklm".index(letter) for letter in "acdfim")
"""Capabilities (asm/hwcap.h of riscv): a bit for each extension's letter."""

_HWCAP_ARMV6 = 1 << 1 | 1 << 2 | 1 << 6 | 1 << 7 | 1 << 15
"""The capabilities below, without NEON and VFPv3."""

_HWCAP_ARMV7 = 1 << 1 | 1 << 2 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 13 | 1 << 15
"""Capabilities (asm/hwcap.h of arm): half words, Thumb, VFP, DSP, NEON, VFPv3, thread register."""


@dataclass(frozen=True)
class Cpu:
    """An architecture that unicorn emulates.

    Attributes:
        abi: the Linux ABI.
        kind, model: unicorn's numbers of architecture and processor.
        arguments: registers of a system call's arguments; the first also gets the result.
        number: register of a system call's number.
        stack, place: stack pointer and program counter.
        stack_top: the highest address of the stack.
        capabilities: AT_HWCAP, by which C libraries choose functions.
        start: function that enables the vector unit.
        more_capabilities: AT_HWCAP2.
        helpers: code by offset in the page ``HELPERS`` that Linux maps for programs.
        mode: unicorn's mode.
        system_call: unicorn's exception number of a system call.
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
    more_capabilities: int = 0
    helpers: Mapping[int, bytes] = field(default_factory=dict)
    mode: int = _engine.UC_MODE_ARM
    system_call: int = 2

    def machine(self) -> Any:
        """Return a new emulated machine."""
        machine = _engine.Uc(self.kind, self.mode)
        machine.ctl_set_cpu_model(self.model)
        self.start(machine)
        return machine


def _vectors_aarch64(machine: Any) -> None:
    machine.reg_write(a64.UC_ARM64_REG_CPACR_EL1, 3 << 20)


def _vectors_arm(machine: Any) -> None:
    machine.reg_write(a32.UC_ARM_REG_C1_C0_2, 0xF << 20)
    machine.reg_write(a32.UC_ARM_REG_FPEXC, 1 << 30)


def _floats_riscv(machine: Any) -> None:
    machine.reg_write(rv.UC_RISCV_REG_MSTATUS, 3 << 13)


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
        _HWCAP_AARCH64,
        _vectors_aarch64,
        _HWCAP2_AARCH64,
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
    "armv6": Cpu(
        ARM,
        _engine.UC_ARCH_ARM,
        a32.UC_CPU_ARM_1176,
        tuple(a32.UC_ARM_REG_R0 + k for k in range(6)),
        a32.UC_ARM_REG_R7,
        a32.UC_ARM_REG_SP,
        a32.UC_ARM_REG_PC,
        0x7FFF_0000,
        _HWCAP_ARMV6,
        _vectors_arm,
        helpers=_KERNEL_HELPERS,
    ),
    "riscv64": Cpu(
        RISCV64,
        _engine.UC_ARCH_RISCV,
        rv.UC_CPU_RISCV64_ANY,
        tuple(rv.UC_RISCV_REG_A0 + k for k in range(6)),
        rv.UC_RISCV_REG_A7,
        rv.UC_RISCV_REG_SP,
        rv.UC_RISCV_REG_PC,
        0x3F_F000_0000,
        _HWCAP_RISCV64,
        _floats_riscv,
        mode=_engine.UC_MODE_RISCV64,
        system_call=8,
    ),
}
"""Emulated processors by architecture."""
