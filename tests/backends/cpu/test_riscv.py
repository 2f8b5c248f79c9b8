"""RISC-V: stack of RV32IMC, the encodings that it is read from, digits on Linux and without."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, run_artifact, toolchain
from n2uqc.backends.cpu.programs import TEMPLATES, stack_bytes
from n2uqc.backends.cpu.stack_riscv import riscv_frame
from n2uqc.backends.emulation import run_program
from n2uqc.backends.templating import render
from n2uqc.models import data, shipped
from n2uqc.passes.program import quantize_input, run

from .disassembly import float_arithmetic, symbols
from .host import SYMBOL, write_object
from .networks import residual_network

with_board = pytest.mark.skipif(
    not shutil.which("qemu-system-riscv32"), reason="qemu-system-riscv32 is not installed"
)

_PAINTED = """
#include <stdint.h>
#include "semihosting.h"
int32_t {symbol}(const void *, void *, void *);
static _Alignas(64) unsigned char in[{input}], out[{output}], work[{workspace}];
int main(void)
{{
    unsigned char here = 0;
    const uintptr_t from = (uintptr_t)&here;
    volatile unsigned char *top = (unsigned char *)(from - 64), *low = top - 8192;
    for (volatile unsigned char *p = low; p < top; p++)
        *p = 0xA5;
    int code = {symbol}(in, out, work);
    while (*low == 0xA5)
        low++;
    char text[6] = {{ 0 }};
    int deep = (int)(from - (uintptr_t)low);
    for (int k = 4, unit = 1; k >= 0; k--, unit *= 10)
        text[k] = (char)('0' + deep / unit % 10);
    semihosting(SEMIHOSTING_WRITE0, text);
    return code;
}}
"""


@with_board
@pytest.mark.parametrize("bits", [2, 4])
def test_the_stack_is_as_deep_as_stated(bits: int, tmp_path: Path) -> None:
    """What a call overwrites of a stack that was filled before."""
    processor = find_target("riscv32").processor
    program = residual_network(bits)
    model = write_object(program, tmp_path / "n.o", "riscv32")
    kinds = [program.int_type(n) for n in (program.input, program.output)]
    sizes = [kind.size * kind.container.itemsize for kind in kinds]
    context = {"symbol": "case", "macro": "CASE", "stack_bytes": 16384, "board": processor.board}
    for name in ("start.c", "semihosting.h", "board.ld"):
        (tmp_path / name).write_text(render(TEMPLATES, f"{name}.j2", context))
    (tmp_path / "main.c").write_text(
        _PAINTED.format(
            symbol=SYMBOL, input=sizes[0], output=sizes[1], workspace=model.workspace_bytes
        )
    )
    tools = toolchain.find("riscv32")
    sources = [tmp_path / name for name in ("start.c", "main.c", "n.o")]
    flags = [*tools.core(processor.cpu), f"-I{tmp_path}", f"-Wl,-T,{tmp_path / 'board.ld'}"]
    tools.executable(sources, tmp_path / "all", flags)
    done = run_program(tmp_path / "all", [str(tmp_path / "unused")], "riscv32", "virt")
    assert done.code == 0, done
    deep = int((done.output + done.errors).strip())
    stated = stack_bytes((tmp_path / "n.o").read_bytes(), SYMBOL)
    assert stated / 2 < deep <= stated + 256  # main's own is counted too


def test_objects_stand_alone(tmp_path: Path) -> None:
    for target in ("riscv32", "riscv64"):
        write_object(residual_network(3), tmp_path / "n.o", target)
        assert float_arithmetic(tmp_path / "n.o") == []
        found = symbols(tmp_path / "n.o")
        assert [n for n, (bind, _) in found.items() if bind != "STB_LOCAL"] == [SYMBOL]
        assert [n for n, (_, section) in found.items() if section == "SHN_UNDEF"] == []


@pytest.mark.parametrize("target", ["riscv64", pytest.param("riscv32", marks=with_board)])
def test_digits(target: str, tmp_path: Path) -> None:
    program = n2uqc.load(shipped.path("digits_2bit"))
    folder = compile_program(program, target).save(tmp_path / "net")
    x = quantize_input(program, data.digits().test.images[:12])
    np.testing.assert_array_equal(run_artifact(folder, x), run(program, x))
    facts = read_manifest(folder)
    if target == "riscv32":
        assert facts["memory"]["flash_bytes"] < 256 << 10
        assert 0 < facts["memory"]["library_stack_bytes"] < 4096


@pytest.mark.parametrize(
    ("words", "bytes_"),
    [
        ([0xFE010113], 32),  # addi sp, sp, -32
        ([0x02010113], 0),  # addi sp, sp, 32: gives it back
        ([0x7139], 64),  # c.addi16sp sp, -64
        ([0x6121], 0),  # c.addi16sp sp, 64
        ([0x1141], 16),  # c.addi sp, -16
        ([0x81010113, 0x6505, 0x40A10133], 2032 + 4096),  # and c.lui a0, 1; sub sp, sp, a0
        ([0x00001537, 0x80050513, 0x40A10133], 2048),  # lui a0, 1; addi a0, a0, -2048; sub
        ([0xFE017113], 31),  # andi sp, sp, -32: aligns it downward
        ([0x00812023, 0x4501], 0),  # sw s0, 0(sp); c.li a0, 0
        ([0xF8040113], 0),  # addi sp, s0, -128: as it was
    ],
)
def test_what_lowers_the_stack_pointer(words: list[int], bytes_: int) -> None:
    code = b"".join(struct.pack("<I" if w & 3 == 3 else "<H", w) for w in words)
    assert riscv_frame(code, "f") == bytes_


def test_an_unknown_change_of_the_stack_pointer() -> None:
    with pytest.raises(AssertionError, match="f moves the stack pointer"):
        riscv_frame(struct.pack("<I", 0x40B10133), "f")  # sub sp, sp, a1
