"""Integer programs as binaries for processors: ARM, and the machine at hand.

    grouping.py   which operations share a kernel
    arena.py      where tensors and scratch memory lie in the workspace
    choose.py     the table: operation -> kernel, with the reason
    kernels/      one family of kernels a file, written in TVM's tensor expressions and scheduled
    model.py      all kernels and one entry as one module
    package.py    object, library, header and manifest
    programs.py   what is linked with them: command-line driver, or a chip's demonstration
    stack.py      stack of Thumb code, for the memory that a chip must have
    profile/      instructions and cycles, kernel by kernel

Importing ``kernels``, ``choose`` or ``model`` imports TVM.
"""
