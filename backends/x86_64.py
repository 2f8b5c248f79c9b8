"""The feature levels of x86-64 processors, and the level of this machine."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from .processor import Processor

LEVELS = {
    level: Processor("x86_64", "x86_64-linux-gnu", level, facts=frozenset({"sse2", *more}))
    for level, more in {"x86-64": (), "x86-64-v2": (), "x86-64-v3": ("avx2",)}.items()
}
"""Features by the level's name in the psABI; LLVM accepts these names as processors."""

_X86_64_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}


@cache
def host_cpu() -> str:
    """Return the name of the highest level that this machine has and kernels use.

    It is a level and not the exact processor model, so that most machines generate the same bytes
    for a program.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "x86-64"
    try:
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].split("\n")[0].split())
    except OSError:
        flags = set()
    return "x86-64-v3" if flags >= _X86_64_V3 and {"abm", "lzcnt"} & flags else "x86-64"
