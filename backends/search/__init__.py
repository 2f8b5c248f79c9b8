"""Folding search: how parallel each engine of the datapath should be.

    result = search(program, device="xc7z020", clock_hz=150e6, target_fps=1000)
    result.rows(); result.folding.to_json(); result.fps

Costs are estimates (see ``backends.cost``); the clock is the caller's claim.
"""

from .devices import DEVICES, Device, find_device
from .estimate import estimates
from .result import SearchResult
from .search import price, search

__all__ = ["DEVICES", "Device", "SearchResult", "estimates", "find_device", "price", "search"]
