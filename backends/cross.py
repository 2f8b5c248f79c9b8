"""The tools for each architecture: compilers of GNU and of zig, emulators, Debian's packages."""

from __future__ import annotations

from dataclasses import dataclass

Command = tuple[str, ...]

_STATIC = ("-std=c11", "-O2", "-Wall", "-Wextra", "-static", "-s")
"""Options of every static program. It has no symbols: the debug information of zig's C library
would be most of the file and would hold paths of this machine. The static library keeps the names
of kernels.
"""

_BARE = (
    "-std=c11",
    "-Os",
    "-Wall",
    "-Wextra",
    "-ffreestanding",
    "-fno-builtin",
    "-nostdlib",
    "-s",
    "-Wl,-z,noexecstack",
)
"""Options of programs without an operating system, which do not use the C library."""


@dataclass(frozen=True)
class Cross:
    """The tools of an architecture.

    Attributes:
        gcc: command of GNU's compiler.
        zig: options of zig's compiler for the same output.
        package: Debian package of the compiler.
        emulator: command of qemu; also searched with the suffix ``-static``.
        emulator_package: Debian package of qemu.
        options: options for every program.
        selects: qemu's option that selects the processor or board.
        system: the kind of programs, for messages.
        bare: whether programs have no operating system.
        elf: number of the architecture in ELF files (``e_machine``).
        bits: of an address.
        unicorn: whether unicorn runs its programs where qemu is missing (``emulation/cpu.py``).
        selected: GNU's options that select the processor, where they are needed; ``{}`` is the
            core's name.
    """

    gcc: str
    zig: Command
    package: str
    emulator: str
    elf: int
    bits: int
    emulator_package: str = "qemu-user"
    options: Command = _STATIC
    selects: str = "-cpu"
    system: str = "static {} Linux programs"
    bare: bool = False
    unicorn: bool = False
    selected: Command = ()


ARM = 40
"""``Cross.elf`` of every 32-bit ARM."""

CROSS = {
    "x86_64": Cross(
        "x86_64-linux-gnu-gcc",
        ("-target", "x86_64-linux-musl"),
        "gcc-x86-64-linux-gnu",
        "qemu-x86_64",
        62,
        64,
    ),
    "aarch64": Cross(
        "aarch64-linux-gnu-gcc",
        ("-target", "aarch64-linux-musl"),
        "gcc-aarch64-linux-gnu",
        "qemu-aarch64",
        183,
        64,
        unicorn=True,
    ),
    "armv7": Cross(
        "arm-linux-gnueabihf-gcc",
        ("-target", "arm-linux-musleabihf", "-mcpu=generic+v7a+neon"),
        "gcc-arm-linux-gnueabihf",
        "qemu-arm",
        ARM,
        32,
        unicorn=True,
    ),
    "armv6": Cross(
        "arm-linux-gnueabi-gcc",
        ("-target", "arm-linux-musleabi", "-mcpu=arm1176jzf_s"),
        "gcc-arm-linux-gnueabi",
        "qemu-arm",
        ARM,
        32,
        selected=("-marm", "-mcpu={}"),
        unicorn=True,
    ),
    "cortex-m": Cross(
        "arm-none-eabi-gcc",
        ("-target", "thumb-freestanding-eabi"),
        "gcc-arm-none-eabi",
        "qemu-system-arm",
        ARM,
        32,
        "qemu-system-arm",
        _BARE,
        "-M",
        "programs for Cortex-M without an operating system",
        bare=True,
        selected=("-mthumb", "-mcpu={}"),
        unicorn=True,
    ),
    "riscv64": Cross(
        "riscv64-linux-gnu-gcc",
        ("-target", "riscv64-linux-musl"),
        "gcc-riscv64-linux-gnu",
        "qemu-riscv64",
        243,
        64,
        unicorn=True,
    ),
    "riscv32": Cross(
        "riscv64-unknown-elf-gcc",
        ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c+zicsr"),
        "gcc-riscv64-unknown-elf",
        "qemu-system-riscv32",
        243,
        32,
        "qemu-system-misc",
        _BARE,
        "-M",
        "programs for 32-bit RISC-V without an operating system",
        bare=True,
        selected=("-march=rv32imc_zicsr", "-mabi=ilp32"),
    ),
}


def gnu_core(architecture: str, cpu: str) -> Command:
    """Return GNU's options for one core, where an architecture's compiler needs them."""
    return tuple(option.format(cpu) for option in CROSS[architecture].selected)
