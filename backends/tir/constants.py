"""Arrays as read-only data of an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ESCAPED = np.array([f"\\{value:02X}" for value in range(256)], dtype="S3")


class Constants:
    """The constant arrays of one module, placed once each, 64-byte aligned, little endian.

    They join the module as text after optimization: megabytes of weights pass LLVM's parser a
    single time.

    Attributes:
        arrays: by the symbol's name.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.integer]] = {}
        self._names: dict[tuple[str, bytes], str] = {}

    def add(self, hint: str, values: NDArray[np.integer]) -> str:
        """Enter an array; equal arrays share a place.

        Args:
            hint: start of the symbol's name, a C identifier.
            values: array of the dtype in which kernels read it.

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
        """The arrays as textual IR, one local symbol each."""
        lines = []
        for name, array in self.arrays.items():
            raw = array.tobytes()
            data = _ESCAPED[np.frombuffer(raw, np.uint8)].tobytes().decode()
            lines.append(f'@{name} = internal constant [{len(raw)} x i8] c"{data}", align 64\n')
        return "".join(lines)
