"""The kinds of input that are tried."""

from .arrays import ARRAYS
from .executors import EXECUTORS
from .hardware import HARDWARE
from .input_kind import Kind, Setup
from .manifests import FOLDINGS, MANIFESTS
from .models import GRAPHS, MODELS
from .names import NAMES
from .networks import NETWORKS
from .programs import PROGRAMS

KINDS: tuple[Kind, ...] = (
    MODELS,
    GRAPHS,
    PROGRAMS,
    ARRAYS,
    MANIFESTS,
    FOLDINGS,
    NETWORKS,
    EXECUTORS,
    HARDWARE,
    NAMES,
)

__all__ = ["KINDS", "Kind", "Setup"]
