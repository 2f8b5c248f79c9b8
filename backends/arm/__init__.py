"""Integer programs as binaries for processors: ARM, and the machine at hand.

    grouping.py   which operations share a kernel
    arena.py      where tensors and scratch memory lie in the workspace
    choose.py     the table: operation -> kernel, with the reason
    kernels/      one family of kernels a file, written in TVM's tensor expressions and scheduled
    model.py      all kernels and one entry as one module
    package.py    object, library, header and command-line driver, linked
    emulate.py    runs the driver, here or emulated

Importing ``kernels``, ``choose`` or ``model`` imports TVM.
"""
