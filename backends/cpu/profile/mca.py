"""Cycles of straight-line code on a named core, estimated by LLVM's machine code analyzer.

llvm-mca simulates a core's issue ports and latencies, without caches, branch mispredictions or
overlap between pieces of code, and the accuracy of its scheduling models varies. So the cycles are
estimates.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from n2uqc.frontend.diagnostics import CompileError, Problem

from ...toolchain import ToolchainError
from .count import split

_ROUNDS = 50  # repetitions of a piece of code, to reach its steady state
_CALL = 4.0
"""Cycles of a call and its return: llvm-mca, which does not see the function, takes 100."""

_FEATURES = {
    "aarch64": "+neon,+dotprod,+i8mm",
    "arm": "+neon,+vfp4,+hwdiv",
    "thumb": "+dsp",
    "riscv64": "+m,+a,+f,+d,+c",
}


@dataclass(frozen=True)
class Analyzer:
    """llvm-mca with the disassembler of the same LLVM.

    Attributes:
        mca, mc: paths of ``llvm-mca`` and ``llvm-mc``.
        version: LLVM's version.
    """

    mca: str
    mc: str
    version: str


@cache
def find_analyzer() -> Analyzer:
    """Find the newest llvm-mca on the path, or the one in $N2UQC_LLVM_MCA.

    Raises:
        ToolchainError: there is none.
    """
    chosen = os.environ.get("N2UQC_LLVM_MCA")
    for mca in [chosen] if chosen else _candidates():
        folder, named, number = mca.rpartition("llvm-mca")
        mc = f"{folder}llvm-mc{number}"
        if not named:
            continue
        try:
            done = subprocess.run([mca, "--version"], capture_output=True, text=True)
        except OSError:
            continue
        if version := re.search(r"version (\S+)", done.stdout):
            return Analyzer(mca, mc, version[1])
    raise ToolchainError(
        Problem(
            node="",
            op="",
            found="no llvm-mca found, which estimates cycles",
            hint="apt install llvm, or name one in $N2UQC_LLVM_MCA; "
            "instructions are counted without",
        )
    )


def _candidates() -> list[str]:
    numbered: list[tuple[int, str]] = []
    for folder in os.get_exec_path():
        for path in Path(folder).glob("llvm-mca-*"):
            number = path.name.removeprefix("llvm-mca-")
            if number.isdigit() and path.with_name(f"llvm-mc-{number}").exists():
                numbered.append((int(number), str(path)))
    plain = shutil.which("llvm-mca")
    paths = [path for _, path in sorted(numbered, reverse=True)]
    return [*paths, *([plain] if plain and shutil.which("llvm-mc") else [])]


def cycles(codes: Sequence[bytes], triple: str, core: str) -> list[float]:
    """Estimate the steady-state cycles of each piece of code.

    Args:
        codes: machine code of each piece.
        triple: LLVM triple, such as ``aarch64-linux-gnu``.
        core: LLVM's name of the processor.

    Raises:
        ToolchainError: llvm-mca is missing.
        CompileError: it does not know the core, or the core does not run such code.
    """
    analyzer = find_analyzer()
    _check_core(analyzer, triple, core)
    runs = [split(code, triple) for code in codes]
    texts = _disassembled(sorted({i for run in runs for i in run}), analyzer, triple)
    listed = [[texts[i] for i in run if texts[i]] for run in runs]
    listings = [[text for text in listing if not _is_call(text)] for listing in listed]
    calls = [len(a) - len(b) for a, b in zip(listed, listings, strict=True)]
    results = _analyzed(listings, analyzer, triple, core)
    return [
        (result if result is not None else float(len(listing))) + _CALL * called
        for result, listing, called in zip(results, listings, calls, strict=True)
    ]


def check_core(triple: str, core: str) -> None:
    """Check that cycles of code for a triple can be estimated for a core.

    Raises:
        ToolchainError: llvm-mca is missing.
        CompileError: it does not know the core, or the core does not run such code.
    """
    _check_core(find_analyzer(), triple, core)


@cache
def _check_core(analyzer: Analyzer, triple: str, core: str) -> None:
    done = subprocess.run(
        [analyzer.mca, f"--mtriple={triple}", "--mcpu=help"],
        input="",
        capture_output=True,
        text=True,
    )
    known = re.findall(r"^  (\S+) +- Select the", done.stderr + done.stdout, flags=re.M)
    # LLVM has one list for all of 32-bit ARM: microcontrollers have no NEON and only Thumb code.
    # Its list for RISC-V has cores of both widths.
    suited = [
        c
        for c in known
        if c.startswith("cortex-m") == triple.startswith("thumb") and "rv32" not in c
    ]
    if core not in suited:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"llvm-mca {analyzer.version} knows no core {core!r}"
                f"{f' that runs code for {triple}' * (core in known)}",
                supported=", ".join(suited),
            )
        )


def _disassembled(
    instructions: Sequence[bytes], analyzer: Analyzer, triple: str
) -> dict[bytes, str]:
    """Return the text of each instruction.

    It is "" for instructions that this LLVM does not know, and for Thumb's ``IT``, which would make
    the instructions that follow it in the list conditional.
    """
    if triple.startswith("thumb"):
        asked = [i for i in instructions if not _is_it(i)]
    else:
        asked = [*instructions]
    if not asked:
        return dict.fromkeys(instructions, "")
    source = "\n".join(" ".join(f"0x{b:02x}" for b in i) for i in asked)
    done = subprocess.run(
        [analyzer.mc, "--disassemble", f"--triple={triple}", f"--mattr={_features(triple)}"],
        input=source,
        capture_output=True,
        text=True,
    )
    # Instructions with other warnings are listed.
    refused = re.findall(r"^<stdin>:(\d+):\d+: warning: invalid", done.stderr, re.M)
    unknown = {int(n) - 1 for n in refused}
    lines = [line.strip() for line in done.stdout.splitlines()]
    lines = [line for line in lines if line and not line.startswith(".")]
    known = [i for n, i in enumerate(asked) if n not in unknown]
    if len(lines) != len(known):
        raise CompileError(f"{analyzer.mc} {analyzer.version} lists other instructions than asked")
    return dict.fromkeys(instructions, "") | dict(zip(known, lines, strict=True))


def _is_call(text: str) -> bool:
    """Return whether an instruction of ARM or RISC-V calls a function."""
    return text.split(maxsplit=1)[0] in ("bl", "blx", "blr", "jal", "jalr")


def _is_it(instruction: bytes) -> bool:
    """Return whether a Thumb instruction is ``IT``; with a zero mask it is a hint, such as NOP."""
    return len(instruction) == 2 and instruction[1] == 0xBF and instruction[0] & 15 != 0


def _features(triple: str) -> str:
    return next(f for prefix, f in _FEATURES.items() if triple.startswith(prefix))


def _analyzed(
    listings: Sequence[Sequence[str]], analyzer: Analyzer, triple: str, core: str
) -> list[float | None]:
    """Return the cycles of each listing; None for one that llvm-mca refuses."""
    if not listings:
        return []
    source = "\n".join(
        f"# LLVM-MCA-BEGIN r{k}\n" + "\n".join(listing) + "\n# LLVM-MCA-END"
        for k, listing in enumerate(listings)
    )
    done = subprocess.run(
        [
            analyzer.mca,
            f"--mtriple={triple}",
            f"--mcpu={core}",
            f"--mattr={_features(triple)}",
            f"--iterations={_ROUNDS}",
            "--instruction-info=false",
            "--resource-pressure=false",
        ],
        input=source + "\n",
        capture_output=True,
        text=True,
    )
    totals = re.findall(r"^Total Cycles: +(\d+)$", done.stdout, flags=re.M)
    if done.returncode == 0 and len(totals) == len(listings):
        return [int(total) / _ROUNDS for total in totals]
    if len(listings) == 1:
        return [None]
    half = len(listings) // 2
    return [
        *_analyzed(listings[:half], analyzer, triple, core),
        *_analyzed(listings[half:], analyzer, triple, core),
    ]
