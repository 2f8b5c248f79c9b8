"""Disassembly of object files, and the floating-point arithmetic in it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import capstone
from elftools.elf.elffile import ELFFile

_DISASSEMBLERS = {
    "EM_X86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "EM_AARCH64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
    "EM_RISCV": (capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC),
    "$a": (capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM),
    "$t": (capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS),
}
"""Disassemblers by machine; for 32-bit ARM, where code and constants alternate,
by mapping symbol.
"""

# Floating-point arithmetic of x87, SSE and AVX. Moves, blends, shuffles and bitwise operations with
# ps or pd in their names only move bits.
_X86_FLOAT = re.compile(
    r"v?(add|sub|mul|div|min|max|sqrt|rsqrt|rcp|round|cmp\w*|u?comi|hadd|hsub|addsub|dp)[ps][sd]"
    r"|v?fn?m(add|sub)\w*|v?cvt\w*|f(add|sub|mul|div|ld|st|ild|ist|chs|abs|sqrt|com)\w*"
)
# On AArch64 all begin with f, except conversions from integers; fmov only moves bits.
_ARM_FLOAT = re.compile(r"(?!fmov$)f\w+|[su]cvtf|bf\w*mmla|bfdot|bfcvt\w*|bfmlal\w*")


# On 32-bit ARM the type follows the name; moves, loads and stores only move bits.
_ARM32_FLOAT = re.compile(r"(?!vmov|vld|vst|vdup)v\w+\..*\bf(16|32|64)\b.*")
# On RISC-V all begin with f; loads, stores and moves of bits are none, and fence is something else.
_RISCV_FLOAT = re.compile(r"(?!f(lw|ld|sw|sd|mv\.\w\.\w|ence\S*)$)f\S+")
_FLOAT = {
    "EM_X86_64": _X86_FLOAT,
    "EM_AARCH64": _ARM_FLOAT,
    "EM_ARM": _ARM32_FLOAT,
    "EM_RISCV": _RISCV_FLOAT,
}


def instructions(path: Path) -> list[tuple[str, str]]:
    """(mnemonic, operands) of all code of an object file, in order."""
    elf = ELFFile(io.BytesIO(path.read_bytes()))
    found = []
    for number, section in enumerate(elf.iter_sections()):
        if not (section["sh_flags"] & 4 and section["sh_size"]):  # SHF_EXECINSTR
            continue
        for kind, code in _pieces(elf, number, section.data()):
            engine = capstone.Cs(*_DISASSEMBLERS[kind])
            listed = [(i.mnemonic, i.op_str, i.size) for i in engine.disasm(code, 0)]
            assert sum(size for *_, size in listed) == len(code), "not all bytes are instructions"
            found += [(mnemonic, operands) for mnemonic, operands, _ in listed]
    return found


def _pieces(elf: ELFFile, number: int, data: bytes) -> list[tuple[str, bytes]]:
    """Return the code of a section, each piece with its kind of instructions."""
    if elf["e_machine"] != "EM_ARM":
        return [(elf["e_machine"], data)]
    marks = sorted(
        (s["st_value"], s.name[:2])
        for s in elf.get_section_by_name(".symtab").iter_symbols()
        if s["st_shndx"] == number and s.name[:2] in ("$a", "$t", "$d")
    )
    ends = [start for start, _ in marks[1:]] + [len(data)]
    return [
        (kind, data[start:end])
        for (start, kind), end in zip(marks, ends, strict=True)
        if kind != "$d" and end > start
    ]


def float_arithmetic(path: Path) -> list[str]:
    """Return the floating-point arithmetic instructions of an object file."""
    elf = ELFFile(io.BytesIO(path.read_bytes()))
    pattern = _FLOAT[elf["e_machine"]]
    return [f"{m} {o}" for m, o in instructions(path) if pattern.fullmatch(m)]


def symbols(path: Path) -> dict[str, tuple[str, str]]:
    """Return names of an object's symbols with (binding, section); hidden ones count as local, for
    no other library sees them.
    """
    table = ELFFile(io.BytesIO(path.read_bytes())).get_section_by_name(".symtab")
    return {
        s.name: (
            "STB_LOCAL" if s["st_other"]["visibility"] == "STV_HIDDEN" else s["st_info"]["bind"],
            s["st_shndx"],
        )
        for s in table.iter_symbols()
        if s.name and s["st_info"]["type"] != "STT_FILE" and not s.name.startswith("$")
    }


def objects_of(library: Path) -> list[bytes]:
    """Return the objects in a static library (of the System V and GNU form), the kernels' first."""
    data, place, found = library.read_bytes(), 8, []
    assert data.startswith(b"!<arch>\n")
    while place < len(data):
        name, size = data[place : place + 16].strip(), int(data[place + 48 : place + 58])
        if name not in (b"/", b"//", b"/SYM64/"):
            found.append(data[place + 60 : place + 60 + size])
        place += 60 + size + size % 2
    return found
