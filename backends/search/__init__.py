"""The search for a folding: the parallelism of each engine of the datapath.

    result = search(program, device="xc7z020", clock_hz=150e6, target_fps=1000)
    result.rows(); result.folding.to_json(); result.fps

Cells are counted (``backends.fpga.resources``); the clock is the caller's claim.
"""

from .devices import DEVICES, FpgaDevice, device_listing, find_device
from .result import SearchResult
from .search import price, search

__all__ = [
    "DEVICES",
    "FpgaDevice",
    "SearchResult",
    "device_listing",
    "find_device",
    "price",
    "search",
]
