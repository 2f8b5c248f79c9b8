"""Integer programs as binaries for processors: ARM, and x86-64 (this machine).

    grouping.py   which operations share a kernel
    arena.py      placement of tensors and scratch memory in the workspace
    choose.py     the table: operation -> kernel, with the reason
    kernels/      one family of kernels per file, as scheduled tensor expressions of TVM
    model.py      all kernels and the entry function as one module
    package.py    object, library, header and manifest
    programs.py   programs linked with them: command-line driver, microcontroller demonstration
    levels.py     one library for several levels of an architecture, chosen at run time
    stack.py      stack size of Thumb code, for the memory needs on a microcontroller;
                  stack_riscv.py of RISC-V's
    profile/      instructions and cycles, kernel by kernel

Importing ``kernels``, ``choose`` or ``model`` imports TVM.
"""
