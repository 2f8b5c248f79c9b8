"""LLVM's code for vectors of any length that are stored narrower, or read wider, on each processor.

Kernels store and read as many elements at once as a map has channels, lengths that other compilers
never produce; each width and length is run against C's own arithmetic.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tvm
from tvm import te

from n2uqc.backends import find_target, toolchain
from n2uqc.backends.cross import CROSS
from n2uqc.backends.emulation import run_program
from n2uqc.backends.tir import emit_object, target_of

TARGETS = ("host", "aarch64", "armv7", "riscv64")
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 16, 17)
WIDTHS = (8, 16, 32, 64)

_STORE = """
define void @{name}(ptr %from, ptr %to) {{
  %x = load <{n} x i{wide}>, ptr %from, align {bytes}
  %y = add <{n} x i{wide}> %x, %x
  %t = trunc <{n} x i{wide}> %y to <{n} x i{narrow}>
  store <{n} x i{narrow}> %t, ptr %to, align 1
  ret void
}}
"""
_TWICE = """
define void @{name}(ptr %from, ptr %to) {{
  %x = load <{n} x i{wide}>, ptr %from, align {bytes}
  %y = add <{n} x i{wide}> %x, %x
  %1 = trunc <{n} x i{wide}> %y to <{n} x i{between}>
  %2 = trunc <{n} x i{between}> %1 to <{n} x i{narrow}>
  store <{n} x i{narrow}> %2, ptr %to, align 1
  ret void
}}
"""
_READ = """
define void @{name}(ptr %from, ptr %to) {{
  %x = load <{n} x i{narrow}>, ptr %from, align 1
  %y = {extend} <{n} x i{narrow}> %x to <{n} x i{wide}>
  %t = add <{n} x i{wide}> %y, %y
  store <{n} x i{wide}> %t, ptr %to, align {bytes}
  ret void
}}
"""
_HEAD = """
#include <stdint.h>
#include <stdio.h>
static _Alignas(64) unsigned char from[512], to[512];
static int wrong;
static void fill(void)
{
    for (int k = 0; k < 512; k++)
        from[k] = (unsigned char)(k * 37 + 91), to[k] = 0x5A;
}
#define CHECK(name, n, source, target) \\
    do { \\
        fill(); \\
        name(from, to); \\
        for (int k = 0; k < 512 / (int)sizeof(target); k++) { \\
            target want, got = ((target *)to)[k]; \\
            for (int b = 0; b < (int)sizeof want; b++) \\
                ((unsigned char *)&want)[b] = 0x5A; \\
            if (k < n) \\
                want = (target)(2 * (uint64_t)((source *)from)[k]); \\
            if (got != want && ++wrong < 20) \\
                printf("%s element %d\\n", #name, k); \\
        } \\
    } while (0)
"""


@pytest.mark.parametrize("target", TARGETS)
def test_any_length_and_width(target: str, tmp_path: Path) -> None:
    processor = find_target(target).processor
    emulator = CROSS[processor.architecture].emulator
    if processor.architecture != toolchain.machine() and not shutil.which(emulator):
        pytest.skip(f"{emulator} is not installed")
    functions, declared, calls = [], [], []
    for narrow in WIDTHS:
        for wide in (w for w in WIDTHS if w > narrow):
            for n in LENGTHS:
                facts = {"n": n, "narrow": narrow, "wide": wide, "bytes": wide // 8}
                facts["between"] = max(wide // 2, narrow + 1)
                for kind, template, ends in (
                    ("twice", _TWICE, (f"uint{wide}_t", f"uint{narrow}_t")),
                    ("store", _STORE, (f"uint{wide}_t", f"uint{narrow}_t")),
                    ("zext", _READ, (f"uint{narrow}_t", f"uint{wide}_t")),
                    ("sext", _READ, (f"int{narrow}_t", f"uint{wide}_t")),
                ):
                    name = f"{kind}_{n}_{wide}_{narrow}"
                    functions.append(template.format(name=name, extend=kind, **facts))
                    declared.append(f"void {name}(const void *, void *);")
                    calls.append(f"    CHECK({name}, {n}, {ends[0]}, {ends[1]});")
    x = te.placeholder((1,), "int32", "x")
    other = te.create_prim_func([x, te.compute((1,), lambda i: x[i], "y")])
    module = tvm.IRModule({"other": other.with_attr("global_symbol", "other")})
    emit_object(module, target_of(processor), tmp_path / "vectors.o", more="".join(functions))
    main = "\n".join([_HEAD, *declared, "int main(void)\n{", *calls, "    return wrong != 0;\n}\n"])
    (tmp_path / "main.c").write_text(main)
    tools = toolchain.find(processor.architecture, native=target == "host")
    tools.executable(
        [tmp_path / "main.c", tmp_path / "vectors.o"], tmp_path / "all", ["-fno-strict-aliasing"]
    )
    done = run_program(tmp_path / "all", [], processor.architecture, processor.emulated)
    assert (done.code, done.output) == (0, "")
