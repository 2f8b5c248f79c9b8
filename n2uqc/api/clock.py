"""Clocks that users state."""

from __future__ import annotations

from .errors import UserError


def require_clock(mhz: float) -> None:
    """Check a clock in MHz.

    Raises:
        UserError: it is no positive number.
    """
    if not 0 < mhz < float("inf"):
        raise UserError(f"--clock is {mhz:g}; it takes a positive number of MHz")
