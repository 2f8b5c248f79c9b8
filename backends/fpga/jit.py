"""Kernels compiled in this process by TVM and LLVM, each once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

Compiled = Callable[..., None]
"""A kernel: integers and flat, contiguous numpy arrays in the order of its parameters."""


@cache
def host_target() -> Any:
    """The TVM target of this machine, with exactly the features that its processor reports.

    The processor's name alone is not enough: a virtual machine may mask features of it.
    """
    import tvm
    from tvm.target import codegen

    def ask(name: str) -> Any:
        return tvm.get_global_func(f"tvm.codegen.llvm.{name}")()

    triple, cpu = str(ask("GetProcessTriple")), str(ask("GetHostCPUName"))
    if not codegen.llvm_is_valid_cpu(cpu, triple):
        cpu = "generic"
    reported = (ask("GetHostCPUFeatures") or {}).items()
    features = [f"{'+' if int(on) else '-'}{name}" for name, on in reported]
    return tvm.target.Target(
        {"kind": "llvm", "mtriple": triple, "mcpu": cpu, "mattr": sorted(features)}
    )


@cache
def compiled(build: Callable[..., Any], *key: Any) -> Compiled:
    """The kernel that ``build(*key)`` describes, compiled on first use.

    Args:
        build: returns a TIR function; called once for each key.
        key: what it is specialized to (data types).
    """
    import tvm

    function = build(*key)
    name = str(function.attrs["global_symbol"])
    library: Compiled = tvm.tirx.build(tvm.IRModule({name: function}), target=host_target())[name]
    return library
