"""Hashes that results state of files and arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2uqc.passes.program.named import Batch


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_of_arrays(batch: Batch) -> str:
    """Return the SHA-256 of arrays' values in the order of memory, by name if they have names."""
    import numpy as np

    total = hashlib.sha256()
    for name, array in sorted(batch.items()) if isinstance(batch, Mapping) else [("", batch)]:
        total.update(name.encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
