"""A compiled network against exact arithmetic, against ONNX Runtime, and against its own file."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from n2uqc.passes import Options
from n2uqc.passes.checks.evaluate import Deviation, deviation, reference
from n2uqc.passes.program import (
    Conv,
    IntType,
    Program,
    dump,
    load,
    quantize_input,
    real_output,
    run,
)
from n2uqc.passes.program.store import to_bytes

from .judge import Wrong
from .peer import outputs_of
from .workers import Say

_SIZE, _WORK = 300_000, 3_000_000
"""Values of all tensors, and products of all convolutions, up to which a program is run."""

IMAGES = 3
_CLOSE = 2e-3  # of the largest output: float32 through a few layers


def small(program: Program) -> bool:
    """Whether running it takes no time worth speaking of."""
    size = sum(kind.size for kind in program.types.values() if isinstance(kind, IntType))
    work = 0
    for op in program.ops:
        if isinstance(op, Conv):
            height, width, _ = program.types[op.output].shape
            work += program.constants[op.weight].values.size * height * width
    return size <= _SIZE and work <= _WORK


def stored_alike(program: Program, place: Path) -> None:
    """What is saved and read again is the same program, and gives the same bytes."""
    content = to_bytes(program)
    path = place / "again.n2uq"
    path.write_bytes(content)
    again = load(path)
    if dump(again) != dump(program):
        raise Wrong("a saved program reads back as another one")
    if to_bytes(again) != content:
        raise Wrong("a saved program gives other bytes when saved again")


def corners(program: Program) -> np.ndarray:
    """Both ends of the input's range and a mixture, as integers."""
    kind = program.types[program.input]
    assert isinstance(kind, IntType)
    rng = np.random.default_rng(0)
    rows = [np.full(kind.shape, v, np.int64) for v in (kind.lo, kind.hi)]
    rows.append(rng.integers(kind.lo, kind.hi, kind.shape, np.int64, endpoint=True))
    return np.stack(rows)


def images_for(program: Program, content: bytes) -> np.ndarray:
    """float32 images well within the input's range, drawn by the file."""
    seed = int.from_bytes(hashlib.sha256(content).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((IMAGES, *program.interface.input_shape))
    return np.clip(x, -4, 4).astype(np.float32)


def compared(content: bytes, graph: ir.Model, program: Program, place: Path, say: Say) -> str:
    """Run a compiled network on images.

    Args:
        content: the ONNX file.
        graph: as the frontend read it.
        program: what it was compiled to, with the options that are the default.
        place: a folder for files.
        say: told before foreign code runs.

    Returns:
        "compared" with ONNX Runtime, or "compiled" where it cannot run the file.

    Raises:
        Wrong: a difference.
    """
    stored_alike(program, place)
    if not small(program):
        return "compiled"
    run(program, corners(program))  # every tensor stays in its proven range
    images = images_for(program, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = deviation(reference(graph, Options()), program, images)
    within_bound(found)
    say("peer")
    want = outputs_of(content, images)
    say("judging")
    if want is None:
        return "compiled"
    near(found, program, want)
    return "compared"


def within_bound(found: Deviation) -> None:
    """The program is as near to exact arithmetic as it says."""
    first = found.first
    if first is not None:
        if not first.within_error and not first.undecided:
            raise Wrong(f"codes differ from exact arithmetic: {first.flips} of {first.layer}")
        return
    if any(row.undecided for row in found.layers):
        return
    error = np.abs(found.exact - found.integer)
    room = found.logit_bound * (1 + 1e-6) + 1e-9 * float(np.abs(found.exact).max(initial=0.0))
    if not bool((error <= room).all()):
        raise Wrong(f"an output is off by {error.max():.3g}, proven bound {room:.3g}")


def near(found: Deviation, program: Program, want: np.ndarray) -> None:
    """Exact arithmetic on the imported network is what ONNX Runtime computes on the file.

    A code may fall to the other side of a threshold in float32; it then does in some images, not
    in all, so only what all of them show is a fault.
    """
    face = program.interface
    if want.shape != (len(found.exact), *face.output_shape):
        raise Wrong(f"outputs of shape {want.shape[1:]} became {face.output_shape}")
    exact = found.exact if face.output_channels_last else found.exact.transpose(0, 3, 1, 2)
    exact = exact.reshape(want.shape)
    if not np.isfinite(want).all():
        return
    rows = (len(want), -1)
    error = np.abs(exact - want).reshape(rows).max(axis=1, initial=0.0)
    largest = np.abs(want).reshape(rows).max(axis=1, initial=0.0)
    if bool((error > _CLOSE * largest + 1e-4).all()):
        raise Wrong(
            f"outputs differ from ONNX Runtime's by {error.max():.3g} of {largest.max():.3g}"
        )


def real_outputs(program: Program, images: np.ndarray) -> Any:
    """What the program makes of images."""
    return real_output(program, run(program, quantize_input(program, images)))


def parse_model(content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.ParseFromString(content)
    return model
