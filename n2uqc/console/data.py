"""Files of labeled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from n2uqc.api.errors import UserError
from n2uqc.frontend.escape import plain

from .files import read_named

if TYPE_CHECKING:
    from n2uqc.api.accuracy import Labeled

NAMES = (("x", "y"), ("images", "labels"))
"""Names of the arrays of images and labels in an .npz file."""


def read_labeled(path: Path) -> Labeled:
    """Read images and labels from an .npz file that holds arrays named as in ``NAMES``.

    Raises:
        UserError: the file cannot be read, or does not hold such arrays of the same length.
    """
    from n2uqc.api.accuracy import labeled

    arrays, source = read_named(path), plain(path)
    found = [pair for pair in NAMES if set(pair) <= arrays.keys()]
    if not found:
        wanted = " or ".join(f"{x} and {y}" for x, y in NAMES)
        names = plain(", ".join(arrays)) or "(none)"
        raise UserError(f"{source}: holds the arrays {names}; images and labels are named {wanted}")
    return labeled(source, *(arrays[name] for name in found[0]))
