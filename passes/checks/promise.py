"""The loss of accuracy by a program's fixed-point formats, and the tensor where it is lost.

The precision ``exact`` promises: on calibration images, or on inputs drawn over the whole input
range, outputs differ from exact arithmetic (with the program's codes) by at most 1e-3 of the
standard deviation of the exact outputs in the same channel, and at most 1e-3 of the codes of a
quantizer differ. Users choose the other precisions because they accept a loss; there the limit is a
tenth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import onnx_ir as ir

from n2uqc.frontend import escape

from ..options import HEAD_BITS, Options
from ..program import IntType, Program
from ..program.named import Batch, samples, some
from ..program.ops import Conv, MaxPool, SumPool, Thresholds
from .draw import VALUES, affordable, as_images, drawn, largest_tensor
from .evaluate import reference
from .heads import scored
from .network import NetworkComparison, hold
from .relation import Relation

EXACT, COARSE = 1e-3, 0.1
EXTRA = (8, False), (24, False), (8, True), (24, True)
"""Attempts, in order, until the promise is kept: bits added to widths that the user did not choose,
and whether channels are equalized.
"""

_SAMPLES, _LEAST = 32, 2
_WORK = 4e9  # multiplications of all samples: a second or two
_MOST_WORK = 1 << 36  # products and numbers of windows of a sample, some minutes
_LONG = 2_000  # operations from which only one attempt is made, because compilation takes long
_UNEVEN = 10  # of the spreads of channels
_FEW = 2  # codes that may differ by chance


class PrecisionWarning(UserWarning):
    """Fixed point loses more of the outputs than the precision promises."""


@dataclass(frozen=True)
class Loss:
    """The measured loss.

    Attributes:
        comparison: comparison of program and network.
        samples: number of inputs.
        tolerance: limit of the chosen precision.
    """

    comparison: NetworkComparison
    samples: int
    tolerance: float

    @property
    def share(self) -> float:
        """The largest loss of outputs and codes, relative to the limit."""
        codes = [
            row.differing / row.values for row in self.comparison.codes if row.differing > _FEW
        ]
        return max([self.comparison.output.share, *codes]) / self.tolerance

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.share <= 1


def measure(graph: ir.Model, program: Program, options: Options, seed: int = 0) -> Loss:
    """Compare a program with its network on calibration images, or on drawn inputs.

    Args:
        graph: the canonical graph.
        program: its program.
        options: the options it was compiled with.
        seed: seed of drawn inputs.
    """
    count = int(np.clip(_WORK // max(_products(program), 1), _LEAST, _SAMPLES))
    count = affordable(program, count, VALUES)
    images: Batch
    if options.calibration is not None:
        images = some(options.calibration, slice(count))
    else:
        # Three samples are corners; of eight further samples each is of another kind.
        few = max(count, 4) if count > 1 else 1
        images = some(as_images(program, drawn(program, few, seed), seed), slice(-count, None))
    comparison = hold(reference(graph, options), program, images)
    return Loss(comparison, samples(images), EXACT if _is_open(options) else COARSE)


def _is_open(options: Options) -> bool:
    """Return whether the user chose no width: all are those of the precision ``exact``."""
    chosen = (options.residual_bits, options.stem_bits, options.level_bits)
    if options.widths or any(bits is not None for bits in chosen):
        return False
    return options.head_bits >= HEAD_BITS


def _products(program: Program) -> int:
    """Return the multiplications of one sample, and the numbers in windows of pools."""
    total = 0
    for op in program.ops:
        if isinstance(op, Conv):
            height, width, _ = program.types[op.output].shape
            total += height * width * program.constants[op.weight].values.size
        elif isinstance(op, MaxPool | SumPool):
            total += prod(program.types[op.output].shape) * prod(op.kernel)
    return total


def kept_by(
    graph: ir.Model, options: Options, compiled: Callable[[Options], Program]
) -> tuple[Program, str | None]:
    """Compile a network so that its outputs keep the promise, with more bits if that is possible.

    Args:
        graph: the canonical graph.
        options: the options of the user.
        compiled: function that compiles with some options.

    Returns:
        The program, and a description of the loss if it cannot keep the promise or was not
        measured, else None.
    """
    program = compiled(options)
    if (largest := largest_tensor(program)) > VALUES:
        return program, (
            f"what fixed point costs was not measured: a tensor of {largest:,} values is beyond "
            f"the {VALUES:,} up to which it is. Hint: verify on an image by --input"
        )
    if (work := _products(program)) > _MOST_WORK:
        return program, (
            f"what fixed point costs was not measured: an image takes {work:,} operations, more "
            f"than the {_MOST_WORK:,} up to which it is"
        )
    loss = measure(graph, program, options)
    lost = undecided(graph, options, program) if loss.kept else []
    if loss.kept and not lost:
        return program, None
    if loss.tolerance == EXACT:
        for bits, equalize in EXTRA if len(program.ops) < _LONG else EXTRA[-1:]:
            wider = replace(options, extra_bits=bits, equalize=equalize)
            finer = compiled(wider)
            better = measure(graph, finer, wider)
            if better.share < loss.share / 2 or (lost and better.kept):
                program, loss = finer, better
                lost = undecided(graph, options, program) if loss.kept else []
            if loss.kept and not lost:
                return program, None
    return program, _undecided_text(program, lost[0]) if lost else describe(program, loss)


def undecided(graph: ir.Model, options: Options, program: Program) -> list[str]:
    """Return the inputs of quantizers that may be off by as much as their thresholds are apart.

    Drawn inputs do not show that: spread over a range far too wide, all saturate.
    """
    suspects = [op for op in program.ops if isinstance(op, Thresholds) and _are_joined(op, program)]
    if not suspects:
        return []
    real = reference(graph, options)
    quantizers = Relation(real, scored(program, real)).quantizers
    found = []
    for op in suspects:
        if (table := quantizers.get(op.output)) is None:
            continue
        apart = max(float(row[-1] - row[0]) for row in table.thresholds) / abs(
            float(table.input_scale)
        )
        if 0 < apart <= 2 * float(program.int_type(op.inputs[0]).error):
            found.append(op.inputs[0])
    return found


def _are_joined(op: Thresholds, program: Program) -> bool:
    """Return whether all bounds of a table lie within its input's error of each other."""
    kind, bounds = program.int_type(op.inputs[0]), program.constants[op.bounds].values
    used = np.where(bounds < kind.hi, bounds, bounds[:, :1])
    widest = int((used.max(axis=1) - used.min(axis=1)).max())
    return bounds.shape[1] > 1 and bool(kind.error) and 2 * kind.error >= widest * kind.unit


def _undecided_text(program: Program, name: str) -> str:
    kind = program.int_type(name)
    return (
        f"range is lost: {name} may be off by {float(kind.error):.2g}, more than the thresholds "
        f"are apart that it is compared with; one step of it is {float(kind.unit):.2g}. "
        "Hint: give the range that occurs, by --input-range or by images with --calib"
    )


def describe(program: Program, loss: Loss) -> str:
    """Describe the loss of the outputs, where it occurs, and how to avoid it."""
    output, lost = loss.comparison.output, coarse_tensor(program, loss)
    inputs = f"{loss.samples} inputs"
    parts = []
    if output.share > loss.tolerance:
        parts.append(
            f"outputs may be off by {output.bound:.2g}, the proven bound; on {inputs} they were "
            f"off by up to {output.worst:.2g} where the exact ones spread by {output.spread:.2g} "
            f"({output.share:.2g} of the spread of their channel)"
        )
    for row in loss.comparison.codes:
        if row.differing > max(_FEW, loss.tolerance * row.values):
            parts.append(
                f"{row.differing:,} of {row.values:,} codes of {row.tensor} differ on {inputs} "
                "from exact arithmetic"
            )
    promise = "precision exact cannot keep its 1e-3" if loss.tolerance == EXACT else "much is lost"
    hint = (
        "give images by --calib, so that ranges are those that occur"
        + (", or train channels of less different size" if lost and lost.uneven else "")
        if loss.tolerance == EXACT
        else "--precision exact, wider --residual-bits, --stem-bits, --level-bits or --width, or "
        "--calib"
    )
    return f"{promise}: {'; '.join(parts)}. {lost.text(program) if lost else ''}Hint: {hint}"


@dataclass(frozen=True)
class CoarseTensor:
    """A tensor whose last bits are too coarse for one of its channels.

    Attributes:
        name: its name.
        type: its type.
        least, most: the smallest and the largest spread of its channels.
    """

    name: str
    type: IntType
    least: float
    most: float

    @property
    def uneven(self) -> bool:
        """Whether its channels differ much in size."""
        return self.most > _UNEVEN * self.least

    def text(self, program: Program) -> str:
        op = program.producer(self.name)
        nodes = escape.plain(", ".join(op.origin)) if op is not None else ""
        return (
            f"It is lost at {self.name}{f' (ONNX {nodes})' if nodes else ''}, which may be off by "
            f"{float(self.type.error):.2g} with a last bit of {float(self.type.unit):.2g}, while "
            f"its channels spread by {self.least:.2g} to {self.most:.2g}. "
        )


def coarse_tensor(program: Program, loss: Loss) -> CoarseTensor | None:
    """Return the first tensor whose last bits are too coarse for one of its channels."""
    for name in (*program.inputs, *(op.output for op in program.ops)):
        tensor_type, spread = program.types[name], loss.comparison.spreads.get(name)
        if not isinstance(tensor_type, IntType) or spread is None or not tensor_type.error:
            continue
        least = spread[spread > 0].min(initial=np.inf)
        if float(tensor_type.error) > loss.tolerance * least:
            return CoarseTensor(name, tensor_type, float(least), float(spread.max()))
    return None
