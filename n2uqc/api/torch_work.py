"""What functions that train networks share: where, and the range that a program is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from n2uqc.frontend.escape import plain

from .errors import UserError

if TYPE_CHECKING:
    import torch

_MARGIN = 1.25  # factor over the values seen


def device_of(name: str) -> torch.device:
    """Return a device of torch.

    Raises:
        UserError: there is none of that name here.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {plain(name)}: there are cpu, cuda and cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {plain(name)}: torch finds {torch.cuda.device_count()} CUDA devices here"
        )
    return device


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use a number of threads for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def program_range(seen: tuple[float, float]) -> tuple[float, float] | None:
    """Return the range that a program of a network has to be told; None if the usual one will do.

    Args:
        seen: least and greatest value of the network's input.
    """
    from n2uqc.passes import Options

    low, high = (_MARGIN * end for end in seen)
    least, greatest = Options().input_range  # what programs take without being told
    return (min(low, 0.0), max(high, 0.0)) if low < least or high > greatest else None


def input_range_option(ranged: tuple[float, float] | None) -> str:
    """Return the option that tells a range, with a space in front; "" for None."""
    return "" if ranged is None else f" --input-range {ranged[0]:.6g},{ranged[1]:.6g}"
