"""Instructions and estimated cycles of a compiled artifact, kernel by kernel.

symbols.py   where the kernels lie in an executable that carries no symbols
count.py     one sample under emulation: how often each basic block ran
chains.py    blocks joined to straight runs of code
mca.py       cycles of a run of code on a named core, by llvm-mca
report.py    what ``profile_artifact`` gives: a row for each kernel
"""

from .report import Profile, Row, default_core, profile_artifact

__all__ = ["Profile", "Row", "default_core", "profile_artifact"]
