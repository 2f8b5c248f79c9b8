"""The levels of x86-64 processors, and which one this machine has."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from .processor import Processor

LEVELS = {
    level: Processor("x86_64", "x86_64-linux-gnu", level, facts=frozenset({"sse2", *more}))
    for level, more in {"x86-64": (), "x86-64-v2": (), "x86-64-v3": ("avx2",)}.items()
}
"""By their names in the psABI, which LLVM takes for processors."""

_X86_64_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}


@cache
def host_cpu() -> str:
    """LLVM's name of the widest processor level that this machine has and kernels make use of.

    A level of the psABI, not the exact model, so that equal programs give equal bytes on most
    machines.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "x86-64"
    try:
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].split("\n")[0].split())
    except OSError:
        flags = set()
    return "x86-64-v3" if flags >= _X86_64_V3 and {"abm", "lzcnt"} & flags else "x86-64"
