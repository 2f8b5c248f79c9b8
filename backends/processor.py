"""The description of a processor: LLVM's names, its features, and boards that run its programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from n2uqc.frontend.diagnostics import CompileError, Problem


@dataclass(frozen=True)
class Vectors:
    """The registers and facts of a processor that kernels depend on.

    Attributes:
        size: bytes of a register; 4 without vectors.
        count: number of registers that are free for operands.
        features: the facts of ``FACTS`` that are true.
        byte: price of a byte of weights in the library, in instructions.
    """

    size: int
    count: int
    features: frozenset[str] = frozenset()
    byte: float = 0.4

    def has(self, fact: str) -> bool:
        """Return whether a fact of ``FACTS`` is true for the processor.

        Raises:
            ValueError: there is no such fact.
        """
        if fact not in FACTS:
            raise ValueError(f"no fact {fact!r}; there are {', '.join(FACTS)}")
        return fact in self.features

    @property
    def scalar(self) -> bool:
        """Whether there is no vector unit."""
        return not self.features & VECTOR_UNITS

    def work(self, instructions: float, size: int) -> float:
        """Return the cost of a kernel: instructions, and bytes of weights at their price."""
        return instructions + self.byte * size


FACTS = {
    "neon": "Advanced SIMD of ARM, 16 bytes",
    "many-vectors": "32 vector registers, in which LLVM holds a whole tile's operands; of 16 it "
    "spills, or computes addresses anew",
    "dotprod": "sums of four products of bytes",
    "i8mm": "products of small matrices of bytes",
    "sse2": "vectors of 16 bytes on x86-64",
    "avx2": "vectors of 32 bytes on x86-64",
    "dsp": "products of two pairs of 16 bits in general registers (ARMv6 SIMD, Cortex-M DSP)",
    "slt": "a comparison gives a number in one instruction (RISC-V)",
    "dual-issue": "loads and products of an in-order core go at once",
}
"""Facts about processors that kernels use, with descriptions."""

VECTOR_UNITS = frozenset({"neon", "sse2", "avx2"})

CHECKED = frozenset({"neon", "dotprod", "i8mm", "avx2"})
"""Facts that not all processors of an architecture have; the driver checks them at run time.
AArch64 always has NEON.
"""


CAPABILITIES = {
    "neon": ("AT_HWCAP", 12),
    "dotprod": ("AT_HWCAP", 20),
    "i8mm": ("AT_HWCAP2", 13),
}
"""Bits of these features in Linux' capabilities on ARM (asm/hwcap.h of arm and arm64)."""


@dataclass(frozen=True)
class Board:
    """A board for demonstrations without operating system.

    Attributes:
        machine: value of qemu's ``-M``.
        title: displayed name.
        flash, ram: addresses of the memories.
        size: bytes of each memory.
        first: address of the vector table, if it is not the begin of flash.
        options: further options of qemu.
        model: unicorn's processor (``UC_CPU_ARM_…``); "" if it has none.
        architecture: of the board's processor.
    """

    machine: str
    title: str
    flash: int = 0x0000_0000
    ram: int = 0x2000_0000
    size: int = 4 << 20
    first: int | None = None
    options: tuple[str, ...] = ()
    model: str = ""
    architecture: str = "cortex-m"

    @property
    def vectors(self) -> int:
        """Address of what the processor reads first: the vector table, or instructions."""
        return self.flash if self.first is None else self.first


BOARDS = {
    board.machine: board
    for board in (
        Board(
            "microbit",
            "micro:bit (Cortex-M0) with larger memories",
            options=(
                *("-global", f"nrf51-soc.flash-size={4 << 20}"),
                *("-global", f"nrf51-soc.sram-size={4 << 20}"),
            ),
            model="CORTEX_M0",
        ),
        Board("mps2-an385", "MPS2 AN385 (Cortex-M3)", model="CORTEX_M3"),
        Board("mps2-an386", "MPS2 AN386 (Cortex-M4)", model="CORTEX_M4"),
        Board("mps2-an500", "MPS2 AN500 (Cortex-M7)", model="CORTEX_M7"),
        Board(
            "mps2-an505", "MPS2 AN505 (Cortex-M33)", 0x1000_0000, 0x3800_0000, model="CORTEX_M33"
        ),
        Board("mps3-an547", "MPS3 AN547 (Cortex-M55)", 0x0100_0000, 0x2100_0000, 2 << 20, 0),
        Board(
            "virt",
            "qemu's board for RISC-V, with a core of RV32IMC",
            0x8000_0000,
            0x8040_0000,
            options=("-bios", "none", "-cpu", "rv32,a=off,f=off,d=off"),
            architecture="riscv32",
        ),
    )
}
"""Boards by qemu's name. The memories are those of the boards' application notes,
as in qemu 7.2.
"""


_USUAL = {"cortex-m": "mps2-an386", "riscv32": "virt"}


def board_of(machine: str, architecture: str = "cortex-m") -> Board:
    """Return the board with a name; the usual one of an architecture for "".

    Raises:
        CompileError: the architecture has no such board.
    """
    name = machine or _USUAL[architecture]
    if name not in BOARDS or BOARDS[name].architecture != architecture:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"no board {machine!r} for programs without operating system",
                supported=", ".join(
                    n for n, board in BOARDS.items() if board.architecture == architecture
                ),
            )
        )
    return BOARDS[name]


@dataclass(frozen=True)
class Processor:
    """A processor that LLVM generates code for.

    Attributes:
        architecture: ``x86_64``, ``aarch64``, ``armv7``, ``armv6``, ``cortex-m``, ``riscv64`` or
            ``riscv32``.
        triple: LLVM triple.
        cpu: LLVM's ``-mcpu``.
        features: LLVM's ``-mattr``, each with its sign.
        facts: the facts of ``FACTS`` that are true.
        registers: number of registers that are free for operands: vector or general registers.
        float_abi: ``soft`` or ``hard`` where the triple does not determine it. It matters only for
            the linker: no generated function has floating-point arguments.
        emulated: processor model in qemu that runs its programs; the board, a key of ``BOARDS``,
            of a processor without operating system.
        levels: processors of the same architecture for which a library is also built, the best
            first; it asks for the one at hand when it is called.
    """

    architecture: str
    triple: str
    cpu: str
    features: tuple[str, ...] = ()
    facts: frozenset[str] = field(default=frozenset())
    registers: int = 16
    float_abi: str = ""
    emulated: str = ""
    levels: tuple[Processor, ...] = ()

    @property
    def vectors(self) -> Vectors:
        """The registers and facts for kernels."""
        size = 32 if "avx2" in self.facts else 16 if self.facts & VECTOR_UNITS else 4
        return Vectors(size, self.registers, self.facts)

    @property
    def board(self) -> Board | None:
        """The board for programs without operating system; None for others."""
        return BOARDS.get(self.emulated)

    @property
    def needs(self) -> frozenset[str]:
        """Facts that a processor of the architecture needs to run its programs."""
        always = {"neon"} if self.architecture == "aarch64" else set()
        return (self.facts & CHECKED) - always
