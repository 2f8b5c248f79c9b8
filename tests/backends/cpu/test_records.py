"""Kernels of drawn networks and of typical layers, held against a record: which are chosen for a
processor, what they compute, where their operands lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import layers
from n2uqc.backends import find_target
from n2uqc.backends.cpu.model import Model, build_model
from n2uqc.backends.processor import Processor
from n2uqc.backends.x86_64 import LEVELS
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program

from ...recorded import check, digest, drawn_program

ARM = (
    "aarch64",
    "aarch64+dotprod",
    "aarch64+i8mm",
    "armv7",
    "armv6",
    "cortex-m0",
    "cortex-m4",
    "cortex-m55",
)
PROCESSORS: dict[str, Processor] = {
    **{name: find_target(name).processor for name in ARM},
    **LEVELS,
}
NETWORKS = 48


def stem(bits: int) -> Program:
    """A layer of real values, as a network begins."""
    one = layers.Layers("stem", 9, 3, bits, True)
    return one.finish(one.requantize(one.conv("x", 20, 3, 2, bits)))


LAYERS: dict[str, Callable[[], Program]] = {
    "2 bits": lambda: layers.codes("a", 2, 10, 24, 20),
    "3 bits": lambda: layers.codes("b", 3, 9, 16, 33),
    "4 bits, tables of every form": lambda: layers.codes("c", 4, 6, 24, 24, kernel=1, mixed=True),
    "stride 2": lambda: layers.codes("d", 2, 9, 31, 24, stride=2),
    "depthwise": lambda: layers.codes("e", 4, 8, 20, 20, groups=20, mixed=True),
    "grouped": lambda: layers.codes("f", 2, 8, 24, 36, groups=4),
    "stem 16": lambda: stem(16),
    "stem 24": lambda: stem(24),
    "residual": lambda: layers.residual("i", 8, 20),
    "skip": lambda: layers.tables("j", 2, 8, 20),
    "pool": lambda: layers.pool("k", 10, 20),
}


def told(model: Model) -> str:
    """Return all that stands in a model."""
    constants = "\n".join(
        f"{name} {array.dtype} {digest(array.tobytes())}"
        for name, array in model.constants.arrays.items()
    )
    parts = (model.entry, model.arena, model.workspace_bytes, constants, model.module.script())
    return "\n".join(map(str, parts))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("k", range(NETWORKS))
def test_recorded_kernels(k: int, tmp_path: Path) -> None:
    try:
        _, program = drawn_program(f"kernel {k}", tmp_path)
    except CompileError:
        check("kernels", f"{k:02}", {"network": "refused"})
        return
    names = list(PROCESSORS)
    processors = [names[(3 * k + step) % len(names)] for step in (0, 4)]
    found = {
        name: digest(told(build_model(program, "net", PROCESSORS[name]))) for name in processors
    }
    check("kernels", f"{k:02}", found)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("processor", PROCESSORS)
def test_recorded_layers(layer: str, processor: str) -> None:
    model = build_model(LAYERS[layer](), "net", PROCESSORS[processor])
    check("layers", f"{processor} {layer}", {"kernels": digest(told(model))})
