"""The search for a folding: the parallelism of each engine of the datapath.

    result = search(program, device="xc7z020", clock_hz=150e6, target_fps=1000)
    result.rows(); result.folding.to_json(); result.fps

Costs are estimates (see ``backends.cost``); the clock is assumed by the caller.
"""

from .devices import DEVICES, FpgaDevice, find_device
from .estimate import estimates
from .result import SearchResult
from .search import price, search

__all__ = ["DEVICES", "FpgaDevice", "SearchResult", "estimates", "find_device", "price", "search"]
