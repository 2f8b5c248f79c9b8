"""Backends: what becomes of an integer program.

    artifact = compile(program, target="aarch64")   # or host; see TARGETS
    artifact.save("out/net")
    y = run_artifact("out/net", x)                  # integers; emulated where the machine differs

Importing this package is quick: TVM is loaded when something is compiled.
"""

from .artifact import Artifact, read_manifest
from .base import compile
from .processor import Processor
from .run import run_artifact
from .targets import TARGETS, Target, find_target, is_target, listing
from .toolchain import ToolchainError

__all__ = [
    "TARGETS",
    "Artifact",
    "Processor",
    "Target",
    "ToolchainError",
    "compile",
    "find_target",
    "is_target",
    "listing",
    "read_manifest",
    "run_artifact",
]
