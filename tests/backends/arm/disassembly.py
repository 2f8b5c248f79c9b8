"""Machine code of object files, and what in it computes with floating-point numbers."""

from __future__ import annotations

import io
import re
from pathlib import Path

import capstone
from elftools.elf.elffile import ELFFile

_DISASSEMBLERS = {
    "EM_X86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "EM_AARCH64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}

# Whatever the x87, SSE and AVX units do in floating point.  Moves, blends, shuffles and bitwise
# operations that carry ps or pd in their names only carry bits.
_X86_FLOAT = re.compile(
    r"v?(add|sub|mul|div|min|max|sqrt|rsqrt|rcp|round|cmp\w*|u?comi|hadd|hsub|addsub|dp)[ps][sd]"
    r"|v?fn?m(add|sub)\w*|v?cvt\w*|f(add|sub|mul|div|ld|st|ild|ist|chs|abs|sqrt|com)\w*"
)
# On AArch64 every one begins with f, but for the conversions from integers; fmov carries bits.
_ARM_FLOAT = re.compile(r"(?!fmov$)f\w+|[su]cvtf|bf\w*mmla|bfdot|bfcvt\w*|bfmlal\w*")


def instructions(path: Path) -> list[tuple[str, str]]:
    """(mnemonic, operands) of all code of an object file, in order."""
    elf = ELFFile(io.BytesIO(path.read_bytes()))
    engine = capstone.Cs(*_DISASSEMBLERS[elf["e_machine"]])
    found = []
    for section in elf.iter_sections():
        if section["sh_flags"] & 4 and section["sh_size"]:  # SHF_EXECINSTR
            code = section.data()
            listed = [(i.mnemonic, i.op_str, i.size) for i in engine.disasm(code, 0)]
            assert sum(size for *_, size in listed) == len(code), "not all bytes are instructions"
            found += [(mnemonic, operands) for mnemonic, operands, _ in listed]
    return found


def float_arithmetic(path: Path) -> list[str]:
    """The floating-point arithmetic instructions of an object file."""
    elf = ELFFile(io.BytesIO(path.read_bytes()))
    pattern = _X86_FLOAT if elf["e_machine"] == "EM_X86_64" else _ARM_FLOAT
    return [f"{m} {o}" for m, o in instructions(path) if pattern.fullmatch(m)]


def symbols(path: Path) -> dict[str, tuple[str, str]]:
    """Names of an object's symbols with (binding, section)."""
    table = ELFFile(io.BytesIO(path.read_bytes())).get_section_by_name(".symtab")
    return {
        s.name: (s["st_info"]["bind"], s["st_shndx"]) for s in table.iter_symbols()
        if s.name and s["st_info"]["type"] != "STT_FILE" and not s.name.startswith("$")
    }
