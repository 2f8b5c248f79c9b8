"""Execution of compiled programs: as a process of this machine, under qemu, or in unicorn.

process.py    the entry point: selects one of these and makes its command line
linux.py      a static Linux program in unicorn; linux_calls.py, linux_abi.py its system calls
board.py      a microcontroller's firmware in unicorn, with semihosting
cpu.py        processors that unicorn emulates; matrix.py instructions that it lacks
elf.py        reading of executables
"""

from .finished import Finished
from .process import run_program

__all__ = ["Finished", "run_program"]
