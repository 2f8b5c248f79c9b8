"""Arrays as read-only data of an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tvm import tirx
from tvm.ir import PointerType, PrimType, StringImm

_ESCAPED = np.array([f"\\{value:02X}" for value in range(256)], dtype="S3")


class Constants:
    """The constant arrays of one module, placed once each, 64-byte aligned, little endian.

    The compiler sees them as outer symbols behind getter functions that it inlines; ``emit_object``
    writes the values in afterwards, so megabytes of weights pass LLVM's parser a single time.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.integer]] = {}
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, hint: str, values: NDArray[np.integer]) -> str:
        """Enter an array; equal arrays share a place.

        Args:
            hint: start of the symbol's name, a C identifier.
            values: array of the dtype in which kernels read it.

        Returns:
            The symbol's name.
        """
        array = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = f"{hint}_{len(self._names)}"
            self.arrays[self._names[key]] = array
        return self._names[key]

    def pointer(self, name: str) -> tirx.Call:
        """The address of an array, as an argument of a call inside an entry function."""
        kind = PointerType(PrimType(self.arrays[name].dtype.name))
        return tirx.call_extern(kind, f"n2uqc_address_of_{name}")

    def declared(self, body: tirx.Stmt) -> tirx.Stmt:
        """The body of one function of the module, with the declarations that it needs."""
        lines = []
        for name, array in self.arrays.items():
            lines.append(f"@{name} = external hidden constant [{array.nbytes} x i8], align 64")
            lines.append(f"define ptr @n2uqc_address_of_{name}() {{ ret ptr @{name} }}")
        if not lines:
            return body
        text = StringImm("\n".join(lines))
        return tirx.AttrStmt(tirx.const(0, "int32"), "pragma_import_llvm", text, body)

    def definition(self, name: str) -> str:
        """The array as one line of LLVM's textual IR."""
        raw = self.arrays[name].tobytes()
        text = _ESCAPED[np.frombuffer(raw, np.uint8)].tobytes().decode()
        return f'@{name} = internal constant [{len(raw)} x i8] c"{text}", align 64'
