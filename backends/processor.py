"""What a processor is: what LLVM makes code for, what it can do, and what runs its programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from n2uqc.frontend.diagnostics import CompileError, Problem


@dataclass(frozen=True)
class Vectors:
    """The registers that kernels are shaped for, and the facts that they ask.

    Attributes:
        size: bytes of a register, 4 where there are no vectors.
        count: registers, so many as are free for operands.
        features: of ``FACTS``.
        byte: price of a byte of weights in the library, in instructions.
    """

    size: int
    count: int
    features: frozenset[str] = frozenset()
    byte: float = 0.4

    def has(self, fact: str) -> bool:
        """Whether the processor can do what a fact of ``FACTS`` says.

        Raises:
            ValueError: there is no such fact, which would never hold.
        """
        if fact not in FACTS:
            raise ValueError(f"no fact {fact!r}; there are {', '.join(FACTS)}")
        return fact in self.features

    @property
    def scalar(self) -> bool:
        """Whether there is no vector unit: elements are computed one by one."""
        return not self.features & VECTOR_UNITS

    def work(self, instructions: float, size: int) -> float:
        """The cost that choices compare: instructions, and bytes of weights at their price."""
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
    "dual-issue": "loads and products of an in-order core go at once",
}
"""What kernels ask of a processor."""

VECTOR_UNITS = frozenset({"neon", "sse2", "avx2"})

CHECKED = frozenset({"neon", "dotprod", "i8mm", "avx2"})
"""Facts that not every processor of an architecture has, and that the driver looks for at run
time; AArch64 always has NEON."""


CAPABILITIES = {
    "neon": ("AT_HWCAP", 12),
    "dotprod": ("AT_HWCAP", 20),
    "i8mm": ("AT_HWCAP2", 13),
}
"""Bits by which Linux on ARM tells of them (asm/hwcap.h of arm and arm64)."""


@dataclass(frozen=True)
class Board:
    """What a demonstration without operating system runs on.

    Attributes:
        machine: qemu's ``-M``.
        title: for people.
        flash, ram: where the memories begin.
        size: bytes of each.
        first: where the table of addresses lies, if not where flash begins.
        options: more of qemu's options.
        model: unicorn's processor (``UC_CPU_ARM_…``), "" where it has none.
    """

    machine: str
    title: str
    flash: int = 0x0000_0000
    ram: int = 0x2000_0000
    size: int = 4 << 20
    first: int | None = None
    options: tuple[str, ...] = ()
    model: str = ""

    @property
    def vectors(self) -> int:
        """Where the processor looks for the table of addresses when it starts."""
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
    )
}
"""By qemu's name.  Memories: the boards' application notes, as qemu 7.2 builds them."""


def board_of(machine: str) -> Board:
    """The board of a name, that of Cortex-M4 for "".

    Raises:
        CompileError: there is none.
    """
    if machine and machine not in BOARDS:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"no board {machine!r} for programs without operating system",
                supported=", ".join(BOARDS),
            )
        )
    return BOARDS[machine or "mps2-an386"]


@dataclass(frozen=True)
class Processor:
    """What LLVM generates code for, and what that can do.

    Attributes:
        architecture: ``x86_64``, ``aarch64``, ``armv7``, ``armv6`` or ``cortex-m``.
        triple: of LLVM.
        cpu: LLVM's ``-mcpu``.
        features: LLVM's ``-mattr``, each with its sign.
        facts: of ``FACTS``.
        registers: that are free for operands: vectors, or general ones.
        float_abi: ``soft`` or ``hard`` where the triple leaves it open, for the linker's sake: no
            generated function takes floating-point numbers.
        emulated: the processor model (for ``cortex-m`` the board) that runs its programs in qemu.
    """

    architecture: str
    triple: str
    cpu: str
    features: tuple[str, ...] = ()
    facts: frozenset[str] = field(default=frozenset())
    registers: int = 16
    float_abi: str = ""
    emulated: str = ""

    @property
    def vectors(self) -> Vectors:
        """What kernels are shaped by."""
        size = 32 if "avx2" in self.facts else 16 if self.facts & VECTOR_UNITS else 4
        return Vectors(size, self.registers, self.facts)

    @property
    def board(self) -> Board | None:
        """Of programs without operating system."""
        return BOARDS[self.emulated] if self.architecture == "cortex-m" else None

    @property
    def needs(self) -> frozenset[str]:
        """Facts without which its programs cannot run on others of the architecture."""
        always = {"neon"} if self.architecture == "aarch64" else set()
        return (self.facts & CHECKED) - always
