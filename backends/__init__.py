"""Backends: compilation of integer programs for targets.

    artifact = compile(program, target="aarch64")   # or host, fpga, program; see TARGETS
    artifact.save("out/net")
    print(artifact.describe())                      # its sizes
    y = open_artifact("out/net").run(x)             # integers; emulated where the machine differs

Importing this package is fast: TVM is loaded when something is compiled.
"""

from .artifact import Artifact
from .build import compile
from .manifest import read_manifest
from .processor import Processor
from .saved import open_artifact, run_artifact
from .target import Request, Target
from .targets import TARGETS, find_target, listing
from .toolchain import ToolchainError

__all__ = [
    "TARGETS",
    "Artifact",
    "Processor",
    "Request",
    "Target",
    "ToolchainError",
    "compile",
    "find_target",
    "listing",
    "open_artifact",
    "read_manifest",
    "run_artifact",
]
