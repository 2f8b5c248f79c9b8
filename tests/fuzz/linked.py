"""Several programs in one executable for a target, which is faster than one artifact each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from n2uqc.backends import find_target, toolchain
from n2uqc.backends.cpu.programs import TEMPLATES
from n2uqc.backends.emulation import run_program
from n2uqc.backends.templating import render
from n2uqc.passes.program import Program
from tests.backends.cpu.host import write_object

from .judge import Wrong

TARGETS = (
    "aarch64",
    "aarch64+dotprod",
    "aarch64+i8mm",
    "armv7",
    "armv6",
    "cortex-m0",
    "cortex-m4",
    "cortex-m7",
    "riscv64",
)
"""Those that run emulated here; every case runs on this machine itself too."""

_MARGIN = 64
_STACK = 512 << 10

_MAIN = """\
#include <stdint.h>
#include <string.h>
{head}
static unsigned char space[{space}] __attribute__((aligned(64)));
static unsigned char result[{result}] __attribute__((aligned(64)));

static int call(int32_t (*run)(const void *, void *, void *), const unsigned char *x, long samples,
                long in, long out, long workspace)
{{
    for (long n = 0; n < samples; n++) {{
        unsigned char *input = space + {input_at};
        for (long k = 0; k < in; k++)
            input[k] = x[n * in + k];
        for (long k = 0; k < workspace + {margin}; k++)
            space[k] = 0xA5;
        for (long k = 0; k < out + {margin}; k++)
            result[k] = 0x5A;
        if (run(input, result, space))
            return 1;
        for (long k = 0; k < {margin}; k++)
            if (space[workspace + k] != 0xA5 || result[out + k] != 0x5A)
                return 2;
        for (long k = 0; k < in; k++)
            if (input[k] != x[n * in + k])
                return 3;
        put(result, out);
    }}
    return 0;
}}

{main}
{{
    int code = 0;
    {open}
{calls}
    {close}
    return code;
}}
"""

_LINUX = {
    "head": "#include <stdio.h>\nstatic FILE *to;\nstatic void put(const void *p, long n)"
    " { fwrite(p, 1, (size_t)n, to); }",
    "main": "int main(int argc, char **argv)",
    "open": 'if (argc < 2 || !(to = fopen(argv[1], "wb"))) return 99;',
    "close": "fclose(to);",
}
_CHIP = {
    "head": '#include "semihosting.h"\nstatic uint32_t to;\nint main(void);\n'
    "static void put(const void *p, long n)\n"
    "{ uint32_t w[3] = { to, (uint32_t)p, (uint32_t)n }; semihosting(SEMIHOSTING_WRITE, w); }",
    "main": "int main(void)",
    "open": "static char line[4096]; uint32_t asked[2] = { (uint32_t)line, sizeof line };\n"
    "    if (semihosting(SEMIHOSTING_GET_CMDLINE, asked)) return 98;\n"
    "    char *name = line; while (*name && *name != ' ') name++;\n"
    "    name++; uint32_t n = 0; while (name[n]) n++;\n"
    "    uint32_t opened[3] = { (uint32_t)name, 5, n };\n"
    "    to = (uint32_t)semihosting(SEMIHOSTING_OPEN, opened); if (to + 1 == 0) return 99;",
    "close": "semihosting(0x02, &to);",
}


def outputs_on(
    target: str, cases: list[tuple[Program, np.ndarray]], place: Path
) -> list[np.ndarray]:
    """Run programs on a target.

    Args:
        target: of ``TARGETS``.
        cases: programs with inputs, int64 (N, H, W, C).
        place: a folder for files.

    Returns:
        int64 (N, H, W, C) for each.

    Raises:
        Wrong: one wrote where it must not, or failed.
    """
    processor = find_target(target).processor
    chip = processor.architecture == "cortex-m"
    objects, head, calls = [], [], []
    most = [0, 0, 0]
    for k, (program, x) in enumerate(cases):
        symbol = f"case{k}_run"
        objects.append(place / f"{k}.o")
        model = write_object(program, objects[-1], target, symbol)
        kinds = [program.int_type(n) for n in (program.input, program.output)]
        (place / f"{k}.raw").write_bytes(x.astype(kinds[0].container).tobytes())
        sizes = [kind.size * kind.container.itemsize for kind in kinds]
        for n, value in enumerate((model.workspace_bytes, sizes[1], sizes[0])):
            most[n] = max(most[n], value)
        head += [
            f"int32_t {symbol}(const void *, void *, void *);",
            f'__asm__(".section .rodata\\n.balign 64\\n.global x{k}\\nx{k}: .incbin '
            f'\\"{place / f"{k}.raw"}\\"\\n.byte 0\\n.balign 64\\n.text\\n");',
            f"extern const unsigned char x{k}[];",
        ]
        calls.append(
            f"    if (!code && (code = call({symbol}, x{k}, {len(x)}, {sizes[0]}, {sizes[1]}, "
            f"{model.workspace_bytes}))) code += {10 * k};"
        )
    room = -(-(most[0] + _MARGIN) // 64) * 64
    fill: dict[str, Any] = _CHIP if chip else _LINUX
    text = _MAIN.format(
        **{**fill, "head": "\n".join([*head, fill["head"]])},
        space=room + most[2],
        input_at=room,
        result=most[1] + _MARGIN,
        margin=_MARGIN,
        calls="\n".join(calls),
    )
    if chip:
        text = text.replace("#include <string.h>\n", "")
    (place / "main.c").write_text(text)
    tools = toolchain.find(processor.architecture)
    sources, flags = [place / "main.c", *objects], ["-O1"]
    if chip:
        context = {"symbol": "case", "macro": "CASE", "stack_bytes": _STACK}
        context["board"] = processor.board
        for name in ("start.c", "semihosting.h", "board.ld"):
            (place / name).write_text(render(TEMPLATES, f"{name}.j2", context))
        sources.insert(0, place / "start.c")
        flags += [*tools.core(processor.cpu), f"-I{place}", f"-Wl,-T,{place / 'board.ld'}"]
    tools.executable(sources, place / "all", flags)
    done = run_program(
        place / "all", [str(place / "y.raw")], processor.architecture, processor.emulated
    )
    if done.code:
        raise Wrong(f"{target}: {_REASONS.get(done.code % 10, 'it failed')}\ncode {done.code}")
    return _parts((place / "y.raw").read_bytes(), cases)


_REASONS = {1: "a call was refused", 2: "it wrote out of bounds", 3: "it changed its input"}


def _parts(data: bytes, cases: list[tuple[Program, np.ndarray]]) -> list[np.ndarray]:
    found, at = [], 0
    for program, x in cases:
        kind = program.int_type(program.output)
        size = len(x) * kind.size * kind.container.itemsize
        flat = np.frombuffer(data[at : at + size], kind.container.newbyteorder("<"))
        found.append(flat.astype(np.int64).reshape(len(x), *kind.shape))
        at += size
    if at != len(data):
        raise Wrong("the outputs of a target are of another size")
    return found
