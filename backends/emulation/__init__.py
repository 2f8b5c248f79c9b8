"""Running what was compiled: as a process of this machine, under qemu, or in unicorn.

process.py    the way in: which of these, and their command lines
linux.py      a static Linux program in unicorn; linux_calls.py, linux_abi.py its system calls
board.py      a chip's firmware in unicorn, with semihosting
cpu.py        processors that unicorn emulates; matrix.py the instructions that it lacks
elf.py        what a loader reads of an executable
"""

from .finished import Finished
from .process import run_program

__all__ = ["Finished", "run_program"]
