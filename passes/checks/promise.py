"""What a program's fixed-point formats cost its outputs, and where they lose it.

The promise of the precision ``exact``: on calibration images, or on inputs drawn over the whole
input range, no output is further from exact arithmetic than 1e-3 of the standard deviation that the
network's exact outputs have there in the same channel (given the program's own codes), and no
quantizer gives more than 1e-3 of its codes otherwise.  The other precisions are coarse because the
user wants them to be: there only a loss of a tenth is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from n2uqc.frontend import escape

from ..options import HEAD_BITS, Options
from ..program import IntType, Program
from ..program.ops import Conv
from .draw import as_images, drawn
from .evaluate import reference
from .network import Comparison, hold

EXACT, COARSE = 1e-3, 0.1
EXTRA = (8, False), (24, False), (8, True), (24, True)
"""Bits added to open widths, whether channels are equalized; tried until the promise is kept."""

_SAMPLES, _LEAST = 12, 2
_WORK = 4e9  # multiplications of all samples together: a second or two
_VALUES = 1 << 24  # of one tensor, all samples together: 128 MiB, of which a dozen are alive
_LONG = 2_000  # operations from which compiling again and again takes too long: one try
_FEW = 2  # codes that differ by chance


class PrecisionWarning(UserWarning):
    """Fixed point costs the outputs more than their precision promises."""


@dataclass(frozen=True)
class Loss:
    """What was measured.

    Attributes:
        found: program and network compared.
        samples: on so many inputs.
        tolerance: of the chosen precision.
    """

    found: Comparison
    samples: int
    tolerance: float

    @property
    def share(self) -> float:
        """The largest of what outputs and codes lose, relative to what may be lost."""
        codes = [row.differing / row.values for row in self.found.rows[:-1] if row.differing > _FEW]
        return max([self.found.output.share, *codes]) / self.tolerance

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.share <= 1


def measure(graph: ir.Model, program: Program, options: Options, seed: int = 0) -> Loss:
    """Hold a program against its network on calibration images, or on drawn inputs.

    Args:
        graph: the canonical graph.
        program: what it was compiled to.
        options: by which.
        seed: of drawn inputs.
    """
    count = int(np.clip(_WORK // max(_products(program), 1), _LEAST, _SAMPLES))
    count = max(1, min(count, _VALUES // _largest(program)))
    if options.calibration is not None:
        images = np.asarray(options.calibration)[:count]
    else:
        # The corners are three; each structure comes once in eight.
        few = max(count, 4) if count > 1 else 1
        images = as_images(program, drawn(program, few, seed), seed)[-count:]
    found = hold(reference(graph, options), program, images)
    return Loss(found, len(images), EXACT if _is_open(options) else COARSE)


def _is_open(options: Options) -> bool:
    """Whether all widths are those of the precision ``exact``."""
    chosen = (options.residual_bits, options.stem_bits, options.level_bits)
    if options.widths or any(bits is not None for bits in chosen):
        return False
    return options.head_bits >= HEAD_BITS


def _products(program: Program) -> int:
    """Multiplications of one sample."""
    total = 0
    for op in program.ops:
        if isinstance(op, Conv):
            height, width, _ = program.types[op.output].shape
            total += height * width * program.constants[op.weight].values.size
    return total


def _largest(program: Program) -> int:
    """Values of the largest tensor of one sample."""
    return max(kind.shape[0] * kind.shape[1] * kind.shape[2] for kind in program.types.values())


def kept_by(
    graph: ir.Model, options: Options, compiled: Callable[[Options], Program]
) -> tuple[Program, str | None]:
    """A program whose outputs keep the promise, by more bits where widths are open.

    Args:
        graph: the canonical graph.
        options: the user's.
        compiled: makes the program.

    Returns:
        The program, and what it loses if it cannot keep the promise, or why that is not known.
    """
    program = compiled(options)
    if (largest := _largest(program)) > _VALUES:
        return program, (
            f"what fixed point costs was not measured: a tensor of {largest:,} values is beyond "
            f"the {_VALUES:,} up to which it is. Hint: verify on an image by --input"
        )
    loss = measure(graph, program, options)
    if loss.kept:
        return program, None
    if loss.tolerance == EXACT:
        for bits, equalize in EXTRA if len(program.ops) < _LONG else EXTRA[-1:]:
            wider = replace(options, extra_bits=bits, equalize=equalize)
            finer = compiled(wider)
            better = measure(graph, finer, wider)
            if better.share < loss.share / 2:
                program, loss = finer, better
            if loss.kept:
                return program, None
    return program, describe(program, loss)


def describe(program: Program, loss: Loss) -> str:
    """What the outputs lose, where, and how to get it back."""
    output, where = loss.found.output, lost_at(program, loss)
    inputs = f"{loss.samples} inputs"
    parts = []
    if output.share > loss.tolerance:
        parts.append(
            f"outputs may be off by {output.bound:.2g}, the proven bound; on {inputs} they were "
            f"off by up to {output.worst:.2g} where the exact ones spread by {output.spread:.2g} "
            f"({output.share:.2g} of the spread of their channel)"
        )
    for row in loss.found.rows[:-1]:
        if row.differing > max(_FEW, loss.tolerance * row.values):
            parts.append(
                f"{row.differing:,} of {row.values:,} codes of {row.tensor} differ on {inputs} "
                "from exact arithmetic"
            )
    promise = "precision exact cannot keep its 1e-3" if loss.tolerance == EXACT else "much is lost"
    hint = (
        "give images by --calib, so that ranges are those that occur, or train channels of less "
        "different size"
        if loss.tolerance == EXACT
        else "--precision exact, wider --residual-bits, --stem-bits, --level-bits or --width, or "
        "--calib"
    )
    return f"{promise}: {'; '.join(parts)}. {where}Hint: {hint}"


def lost_at(program: Program, loss: Loss) -> str:
    """The first tensor whose last bits are too coarse for one of its channels."""
    for name in (program.input, *(op.output for op in program.ops)):
        kind, spread = program.types[name], loss.found.spreads.get(name)
        if not isinstance(kind, IntType) or spread is None or not kind.error:
            continue
        least = spread[spread > 0].min(initial=np.inf)
        if float(kind.error) > loss.tolerance * least:
            op = program.producer(name)
            nodes = escape.plain(", ".join(op.origin)) if op is not None else ""
            return (
                f"It is lost at {name}{f' (ONNX {nodes})' if nodes else ''}, which may be off by "
                f"{float(kind.error):.2g} with a last bit of {float(kind.scale or 1):.2g}, while "
                f"its channels spread by {least:.2g} to {spread.max():.2g}. "
            )
    return ""
