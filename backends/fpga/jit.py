"""Kernels that TVM and LLVM compile for this process, each once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

Compiled = Callable[..., None]
"""A compiled kernel; its arguments are integers and flat, contiguous numpy arrays."""


@cache
def available() -> bool:
    """Return whether the code generator is installed."""
    try:
        import tvm  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


@cache
def host_target() -> Any:
    """Return the TVM target of this machine, with exactly the features that its processor reports.

    The processor's name is not enough, because a virtual machine may hide some of its features.
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
    """Return the kernel that ``build(*key)`` defines, compiled on first use.

    Args:
        build: returns a TIR function; called once for each key.
        key: arguments of ``build``, such as data types.
    """
    import tvm

    function = build(*key)
    name = str(function.attrs["global_symbol"])
    library: Compiled = tvm.tirx.build(tvm.IRModule({name: function}), target=host_target())[name]
    return library
