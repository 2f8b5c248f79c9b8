"""Comparison of a compiled network with exact arithmetic, ONNX Runtime, and its saved file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx_ir as ir

from n2uqc.console.errors import user_message
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
from n2uqc.passes.program.boundary import in_model_order, input_types
from n2uqc.passes.program.interpreter import as_real, steps
from n2uqc.passes.program.ops.real import Quantize
from n2uqc.passes.program.store import to_bytes

from .judge import Wrong
from .peer import outputs_of
from .workers import Say

Images = dict[str, np.ndarray]
"""float32 (N, *shape) by the names of inputs."""

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


def corners(program: Program) -> dict[str, np.ndarray]:
    """Return both ends of each input's range and a mixture, as integers, by name."""
    rng, found = np.random.default_rng(0), {}
    for port, kind in input_types(program):
        rows = [np.full(kind.shape, v, np.int64) for v in (kind.lo, kind.hi)]
        rows.append(rng.integers(kind.lo, kind.hi, kind.shape, np.int64, endpoint=True))
        found[port.name] = np.stack(rows)
    return found


def images_for(program: Program, content: bytes) -> Images:
    """Images well within the ranges of the inputs, or raw pixels, drawn by the file."""
    seed = int.from_bytes(hashlib.sha256(content).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    images: Images = {}
    for port in program.interface.inputs:
        shape = (IMAGES, *port.shape)
        drawn = np.clip(rng.standard_normal(shape), -4, 4).astype(np.float32)
        images[port.name] = rng.integers(0, 256, shape).astype(np.uint8) if port.pixels else drawn
    return images


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
        Wrong: a difference, or a refusal of what was compiled.
    """
    try:
        return _compared(content, graph, program, place, say)
    except Exception as error:
        if user_message(error) is None:
            raise
        raise Wrong(f"what was compiled is refused afterwards\n{error}") from error


def _compared(content: bytes, graph: ir.Model, program: Program, place: Path, say: Say) -> str:
    stored_alike(program, place)
    if not small(program):
        return "compiled"
    run(program, corners(program))  # every tensor stays in its proven range
    images = images_for(program, content)
    real = reference(graph, Options())
    within_bound(real, program, images)
    got = program(images)
    with np.errstate(all="ignore"):
        exact = ends(real, images)
    say("peer")
    want = outputs_of(content, images)
    say("judging")
    if want is None:
        return "compiled"
    for name, right in want.items():
        if got[name].shape != right.shape:
            raise Wrong(f"outputs of shape {right.shape[1:]} became {got[name].shape[1:]}")
    return near(exact, want, real, images)


def within_bound(real: Program, program: Program, images: Images) -> None:
    """Check that codes and outputs are within the program's proven bounds of exact arithmetic."""
    own = as_images(program, drawn(program, _DRAWN, 0), 0)
    both = {n: np.concatenate([x, images[n].astype(x.dtype)]) for n, x in own.items()}
    held = hold(real, program, both)
    for row in held.rows:
        if row.wrong:
            fault = row.faults[0]
            raise Wrong(
                f"{row.what} break the program's own bound\n{row.wrong} of {row.tensor}: "
                f"{fault.found} at {fault.place}, {allowed(fault.low, fault.high)} allowed"
            )


def ends(real: Program, images: Images) -> dict[str, np.ndarray]:
    """Return the outputs of the imported network in float64, in the file's own order of axes,
    before what the host computes of them.
    """
    maps = {name: x.astype(np.float64) for name, x in as_maps(real, images).items()}
    found = {}
    for name, value in steps(real, maps):
        for port, output in zip(real.interface.outputs, real.outputs, strict=True):
            if name == output:
                found[port.name] = in_model_order(port, as_real(real, name, value))
    return found


def behind(real: Program, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the network's outputs from those of its layers."""
    return outputs if real.host is None else real.host(outputs)


def near(
    exact: dict[str, np.ndarray], want: dict[str, np.ndarray], real: Program, images: Images
) -> str:
    """Compare exact arithmetic on the imported network with ONNX Runtime on the file.

    In float32 a value may cross a threshold; this happens in some images but not in all, so only
    differences in all images are faults. Where the network compares values that are equal in exact
    arithmetic (the sign of a difference of two codes, the largest of two equal scores), float32's
    rounding noise decides.

    Args:
        exact: what `ends` gives.
        want: outputs of ONNX Runtime; indices are integers.
        real, images: the imported network, and its inputs.

    Returns:
        "compared", or "a tie" where only ties can make the difference.
    """
    found, word = behind(real, exact), "compared"
    for name, right in want.items():
        got = found[name]
        if not np.isfinite(right).all():
            continue
        rows = (len(right), -1)
        error = np.abs(got.astype(np.float64) - right).reshape(rows).max(axis=1, initial=0.0)
        largest = np.abs(right).reshape(rows).max(axis=1, initial=0.0)
        whole = right.dtype.kind in "iu"
        if not (error > (0 if whole else _CLOSE * largest + 1e-4)).all():
            continue
        if not (ties(real, images) | (whole & uncertain(real, exact, name))).all():
            what = "indices" if whole else "outputs"
            raise Wrong(
                f"{what} differ from ONNX Runtime's\nby {error.max():.3g} of {largest.max():.3g}"
            )
        word = "a tie"
    return word


def uncertain(real: Program, exact: dict[str, np.ndarray], index: str) -> np.ndarray:
    """Return the images of which an output of indices changes with float32's noise."""
    rng, own = np.random.default_rng(0), behind(real, exact)[index]
    found = np.zeros(len(own), bool)
    for _ in range(8):
        moved = {
            name: x + _CLOSE * np.abs(x).max(initial=0.0) * rng.uniform(-1, 1, x.shape)
            for name, x in exact.items()
        }
        found |= (behind(real, moved)[index] != own).reshape(len(own), -1).any(axis=1)
    return found


def ties(real: Program, images: Images) -> np.ndarray:
    """Return the images of which a code would change by a deviation of float32's size."""
    found = np.zeros(IMAGES, bool)
    values: dict[str, np.ndarray] = {}
    quantizers = {op.output: op for op in real.ops if isinstance(op, Quantize)}
    maps = {name: x.astype(np.float64) for name, x in as_maps(real, images).items()}
    for name, value in steps(real, maps):
        values[name] = as_real(real, name, value)
        if name in quantizers:
            compared = values[quantizers[name].inputs[0]]
            noise = _NOISE * np.abs(compared).max(initial=0.0)
            low, high = (
                quantizers[name].execute([compared + m], real.constants) for m in (-noise, noise)
            )
            found |= (low != high).reshape(len(found), -1).any(axis=1)
    return found
