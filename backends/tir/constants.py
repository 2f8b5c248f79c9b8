"""Constant arrays as read-only data of an object file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ESCAPED = np.array([f"\\{value:02X}" for value in range(256)], dtype="S3")


class ModuleConstants:
    """The constant arrays of a module, each stored once, 64-byte aligned and little-endian.

    They are added to the module as text after optimization, so that LLVM parses megabytes of
    weights only once.

    Attributes:
        arrays: by name of the symbol.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.integer]] = {}
        self._names: dict[tuple[str, bytes], str] = {}

    def add(self, hint: str, values: NDArray[np.integer]) -> str:
        """Add an array; equal arrays share one symbol.

        Args:
            hint: first part of the symbol's name, a C identifier.
            values: the array, in the dtype that kernels read.

        Returns:
            The symbol's name.
        """
        array = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
        key = (array.dtype.str, array.tobytes())
        if key not in self._names:
            self._names[key] = f"{hint}_{len(self._names)}"
            self.arrays[self._names[key]] = array
        return self._names[key]

    def text(self) -> str:
        """Return the arrays as textual IR, each visible only in what an application links."""
        lines = []
        for name, array in self.arrays.items():
            raw = array.tobytes()
            data = _ESCAPED[np.frombuffer(raw, np.uint8)].tobytes().decode()
            lines.append(f'@{name} = hidden constant [{len(raw)} x i8] c"{data}", align 64\n')
        return "".join(lines)
