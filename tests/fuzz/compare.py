"""Comparison of a compiled network with exact arithmetic, ONNX Runtime, and its saved file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx_ir as ir

from n2uqc.passes import Options
from n2uqc.passes.checks.draw import as_images, drawn
from n2uqc.passes.checks.evaluate import reference
from n2uqc.passes.checks.network import allowed, hold
from n2uqc.passes.fixed_point.calibrate import as_maps
from n2uqc.passes.program import (
    Conv,
    IntType,
    Program,
    dump,
    load,
    run,
)
from n2uqc.passes.program.interpreter import as_real, steps
from n2uqc.passes.program.ops.real import Quantize
from n2uqc.passes.program.store import to_bytes

from .judge import Wrong
from .peer import outputs_of
from .workers import Say

_SIZE, _WORK = 300_000, 3_000_000
"""Values of all tensors, and products of all convolutions, up to which a program is run."""

IMAGES = 3
_DRAWN = 9  # each kind of image once
_NOISE = 1e-6  # of the largest value that a quantizer compares: float32's, after a sum
_CLOSE = 2e-3  # of the largest output: float32 through a few layers


def small(program: Program) -> bool:
    """Return whether a program runs fast."""
    size = sum(kind.size for kind in program.types.values() if isinstance(kind, IntType))
    work = 0
    for op in program.ops:
        if isinstance(op, Conv):
            height, width, _ = program.types[op.output].shape
            work += program.constants[op.weight].values.size * height * width
    return size <= _SIZE and work <= _WORK


def stored_alike(program: Program, place: Path) -> None:
    """Check that a saved program reads back as the same program, with the same bytes."""
    content = to_bytes(program)
    path = place / "again.n2uq"
    path.write_bytes(content)
    again = load(path)
    if dump(again) != dump(program):
        raise Wrong("a saved program reads back as another one")
    if to_bytes(again) != content:
        raise Wrong("a saved program gives other bytes when saved again")


def corners(program: Program) -> np.ndarray:
    """Return both ends of the input's range and a mixture, as integers."""
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
    x = rng.standard_normal((IMAGES, *program.interface.input.shape))
    return np.clip(x, -4, 4).astype(np.float32)


def compared(content: bytes, graph: ir.Model, program: Program, place: Path, say: Say) -> str:
    """Run a compiled network on images.

    Args:
        content: the ONNX file.
        graph: as the frontend read it.
        program: what it was compiled to, with the options that are the default.
        place: a folder for files.
        say: called before code of other projects runs.

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
    real = reference(graph, Options())
    within_bound(real, program, images)
    with np.errstate(all="ignore"):
        exact = exact_outputs(real, images)
    say("peer")
    want = outputs_of(content, images)
    say("judging")
    if want is None:
        return "compiled"
    return near(exact, want, real, images)


def within_bound(real: Program, program: Program, images: np.ndarray) -> None:
    """Check that codes and outputs are within the program's proven bounds of exact arithmetic."""
    own = as_images(program, drawn(program, _DRAWN, 0), 0)
    name, drawn_images = next(iter(own.items()))
    both = np.concatenate([drawn_images, images.astype(drawn_images.dtype)])
    held = hold(real, program, {name: both})
    for row in held.rows:
        if row.wrong:
            fault = row.faults[0]
            raise Wrong(
                f"{row.what} break the program's own bound\n{row.wrong} of {row.tensor}: "
                f"{fault.computed} at {fault.place}, {allowed(fault.low, fault.high)} allowed"
            )


def exact_outputs(real: Program, images: np.ndarray) -> np.ndarray:
    """Return the imported network in float64, in the file's own order of axes."""
    maps = {name: x.astype(np.float64) for name, x in as_maps(real, images).items()}
    last = {name: value for name, value in steps(real, maps) if name == real.output}
    found, face = as_real(real, real.output, last[real.output]), real.interface
    ordered = found if face.output.channels_last else found.transpose(0, 3, 1, 2)
    return ordered.reshape(len(images), *face.output.shape)


def near(exact: np.ndarray, want: np.ndarray, real: Program, images: np.ndarray) -> str:
    """Compare exact arithmetic on the imported network with ONNX Runtime on the file.

    In float32 a value may cross a threshold; this happens in some images but not in all, so only
    differences in all images are faults. Where the network compares values that are equal in exact
    arithmetic (the sign of a difference of two codes), float32's rounding noise decides.

    Returns:
        "compared", or "a tie" where only ties can make the difference.
    """
    if want.shape != exact.shape:
        raise Wrong(f"outputs of shape {want.shape[1:]} became {exact.shape[1:]}")
    if not np.isfinite(want).all():
        return "compared"
    rows = (len(want), -1)
    error = np.abs(exact - want).reshape(rows).max(axis=1, initial=0.0)
    largest = np.abs(want).reshape(rows).max(axis=1, initial=0.0)
    far = error > _CLOSE * largest + 1e-4
    if not far.all():
        return "compared"
    if ties(real, images).all():
        return "a tie"
    raise Wrong(f"outputs differ from ONNX Runtime's by {error.max():.3g} of {largest.max():.3g}")


def ties(real: Program, images: np.ndarray) -> np.ndarray:
    """Return the images of which a code would change by a deviation of float32's size."""
    found = np.zeros(len(images), bool)
    values: dict[str, np.ndarray] = {}
    quantizers = {op.output: op for op in real.ops if isinstance(op, Quantize)}
    maps = {name: x.astype(np.float64) for name, x in as_maps(real, images).items()}
    for name, value in steps(real, maps):
        values[name] = as_real(real, name, value)
        if name in quantizers:
            compared = values[quantizers[name].inputs[0]]
            noise = _NOISE * np.abs(compared).max(initial=0.0)
            ends = [
                quantizers[name].execute([compared + m], real.constants) for m in (-noise, noise)
            ]
            found |= (ends[0] != ends[1]).reshape(len(found), -1).any(axis=1)
    return found
