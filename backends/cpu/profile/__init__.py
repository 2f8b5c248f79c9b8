"""Instructions and estimated cycles of a compiled artifact, kernel by kernel.

symbols.py   addresses of the kernels in an executable without symbols
count.py     executions of each basic block for one sample under emulation
chains.py    basic blocks joined to straight-line code
mca.py       cycles of straight-line code on a named core, by llvm-mca
report.py    the result of ``profile_artifact``: one row per kernel
"""

from .report import Profile, Row, default_core, profile_artifact, require_counted

__all__ = ["Profile", "Row", "default_core", "profile_artifact", "require_counted"]
