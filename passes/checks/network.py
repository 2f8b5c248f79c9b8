"""Comparison of a program with its network: every code and output on given images.

The network is the imported one, before any pass, evaluated in float64. After each quantizer it
continues with the program's codes, so that each layer is checked separately. A code may differ only
if a threshold is within the program's proven error of the compared value, and an output may differ
by at most the error that its type states.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fixed_point.calibrate import as_maps
from ..program.boundary import SaturationWarning, input_types, quantize_inputs, scaled_outputs
from ..program.interface import Port
from ..program.interpreter import as_real, steps
from ..program.named import Batch, by_name, samples, some
from ..program.ops import PRelu, Requantize
from ..program.ops.real import Quantize
from ..program.program import Program
from ..program.types import IntArray
from .float_error import Reach, comparison_error, float_error
from .heads import by_port, index_pairs, scored
from .moments import Moments
from .relation import Relation, inward, outward

CHUNK = 32
"""Most images that are computed together."""

_TOGETHER = 2**23  # values of the largest tensor that are computed together, if one image has fewer
_SHOWN = 3  # wrong values kept per tensor

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Fault:
    """A value that differs from the network by more than the program's bound.

    Attributes:
        sample, place: index of the image, and (row, column, channel) or the index of an output.
        found: the program's code or output.
        low, high: range that the network allows.
    """

    sample: int
    place: tuple[int, ...]
    found: float
    low: float
    high: float


@dataclass
class Held:
    """The comparison of one tensor.

    Attributes:
        tensor: a code tensor of the program, or an output.
        origin: ONNX nodes.
        what: "codes", "outputs", or "indices" that follow from the program's own outputs.
        values: number of compared values.
        open: codes that are undecided, because a threshold is within the error.
        differing: codes that differ from the network's, within the bound or not.
        worst: greatest difference of an output, in its unit.
        share: greatest difference of an output relative to the spread of its channel.
        bound: proven error in the unit of the output, or of the value that a quantizer compares.
        spread: standard deviation of the outputs, or of the values that a quantizer compares.
        wrong: number of values outside their bound.
        faults: the first wrong values.
    """

    tensor: str
    origin: tuple[str, ...]
    what: str
    values: int = 0
    open: int = 0
    differing: int = 0
    worst: float = 0.0
    share: float = 0.0
    bound: float = 0.0
    spread: float = 0.0
    wrong: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(
        self,
        actual: NDArray[Any],
        low: NDArray[Any],
        high: NDArray[Any],
        valid: NDArray[np.bool_],
        start: int,
    ) -> None:
        """Compare values (N, ...) of the images from ``start`` on, where they are valid (N,)."""
        bad = ((actual < low) | (actual > high)) & valid.reshape(-1, *[1] * (actual.ndim - 1))
        self.values += actual[valid].size
        self.wrong += int(bad.sum())
        for at in np.argwhere(bad)[: _SHOWN - len(self.faults)]:
            index = tuple(int(i) for i in at)
            ends = float(actual[index]), float(low[index]), float(high[index])
            self.faults.append(Fault(start + index[0], index[1:], *ends))


@dataclass(frozen=True)
class NetworkComparison:
    """The result: one row per quantizer, then one for each output, then for those of indices.

    Attributes:
        rows: the rows.
        left: number of images that left ranges fitted to calibration images; they were compared
            only up to that tensor.
        spreads: for every tensor of the network, the standard deviation of each channel, or the
            root mean square if all values are equal; float64 (C,).
    """

    rows: list[Held]
    left: int
    spreads: Mapping[str, Reals]

    @property
    def codes(self) -> list[Held]:
        """The rows of quantizers."""
        return [row for row in self.rows if row.what == "codes"]

    @property
    def output(self) -> Held:
        """The row of the output that loses most."""
        return max((row for row in self.rows if row.what == "outputs"), key=lambda row: row.share)


def allowed(low: float, high: float) -> str:
    """Format an interval for a report."""
    return f"{low:.9g}" if low == high else f"{low:.9g} to {high:.9g}"


def hold(real: Program, program: Program, images: Batch) -> NetworkComparison:
    """Run images through the program and the network, and compare all codes and outputs.

    Args:
        real: the imported network (``evaluate.reference``).
        program: the integer program made from it.
        images: images (N, *port.shape) in the form that the program reads, by name where there are
            several inputs; real ones are clamped to the input's range.

    Raises:
        InputError: the images do not fit the program.
        Unrelated: the program is not of this network.
    """
    return Holder(real, program).hold(images)


class Holder:
    """The comparison of one program with its network."""

    def __init__(self, real: Program, program: Program) -> None:
        self.whole, program = program, scored(program, real)
        self.real, self.program = real, program
        self.relation = Relation(real, program)
        self.quantizers, self.producers = self.relation.quantizers, self.relation.producers
        self.fitted = "calibration" in program.metadata
        self.rows = {
            name: Held(name, op.origin, "codes")
            for name, op in self.quantizers.items()
            if name in self.producers
        }
        self.results = [self._result(name) for name in program.outputs]
        self.indices: dict[str, Held] = {}
        self.errors = {name: self.relation.error(self.quantizers[name]) for name in self.rows}
        self.moments: dict[str, Moments] = {}
        self.farthest: dict[str, Reals] = {}  # by output of the network

    def _result(self, name: str) -> Held:
        last, error = self.producers.get(name), self.program.int_type(name).error
        return Held(name, last.origin if last is not None else (), "outputs", bound=float(error))

    def hold(self, images: Batch) -> NetworkComparison:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SaturationWarning)
            integers = quantize_inputs(self.program, images)
        maps = as_maps(self.real, images)
        for port, tensor_type in input_types(self.program):
            if not port.pixels:
                low, high = map(float, tensor_type.real_ends)
                maps[port.name] = np.clip(maps[port.name].astype(np.float64), low, high)
        types = (*self.real.types.values(), *self.program.types.values())
        images_each = max(1, min(CHUNK, _TOGETHER // max(prod(t.shape) for t in types)))
        left = 0
        for start in range(0, samples(integers), images_each):
            piece = slice(start, start + images_each)
            left += self._chunk(some(integers, piece), some(maps, piece), start)
        for row in self.rows.values():
            row.spread = self.moments[self.quantizers[row.tensor].inputs[0]].overall
        for name, row in zip(self.real.outputs, self.results, strict=True):
            row.spread, spread = self.moments[name].overall, self.moments[name].spread
            # For a channel that is always 0, the spread of all channels is used.
            unit = np.where(spread > 0, spread, spread.max(initial=0.0))
            shares = self.farthest[name] / np.where(unit > 0, unit, 1.0)
            row.share = float(shares.max(initial=0.0))
        spreads = {name: moment.spread for name, moment in self.moments.items()}
        rows = [*self.rows.values(), *self.results, *self.indices.values()]
        return NetworkComparison(rows, left, spreads)

    def _chunk(self, integers: Batch, maps: Batch, start: int) -> int:
        """Compare a chunk of images; return how many left the ranges of the calibration images."""
        codes: dict[str, tuple[IntArray, NDArray[np.bool_]]] = {}
        valid = np.ones(samples(integers), bool)
        outputs: dict[str, IntArray] = {}
        for name, value in steps(self.whole, integers):
            op = self.producers.get(name)
            if self.fitted and isinstance(op, Requantize | PRelu) and name not in self.quantizers:
                valid &= ~((value == op.lo) | (value == op.hi)).any(axis=(1, 2, 3))
            if name in self.quantizers:
                codes[name] = self.relation.all_channels(name, value), valid.copy()
            if name in self.program.outputs or name in self.whole.outputs:
                outputs[name] = value
        scores = scaled_outputs(self.program, by_port(self.program, outputs))
        for name, own, wanted in index_pairs(self.whole, self.real, outputs, scores):
            row = self.indices.setdefault(name, Held(name, (), "indices"))
            row.add(own, wanted, wanted, valid, start)
        actual = list(scores.values())
        for name, value, reach, compared in self._network(maps, codes):
            self.moments[name] = self.moments.get(name, Moments.none()).with_(value[valid])
            if name in codes:
                assert compared is not None
                self._codes(self.rows[name], *codes[name], compared, reach, start)
            for k, port in enumerate(self.real.interface.outputs):
                if name == self.real.outputs[k]:
                    self._outputs(
                        self.results[k], port, name, actual[k], value, reach, valid, start
                    )
        return int((~valid).sum())

    def _network(
        self, maps: Batch, codes: dict[str, tuple[IntArray, NDArray[np.bool_]]]
    ) -> Iterator[tuple[str, Reals, Reach, Reals | None]]:
        """Yield each tensor of the network in real units, its reach, and a quantizer's operand."""
        real = self.real
        given = by_name(real.interface.inputs, maps).values()
        values: dict[str, NDArray[Any]] = dict(zip(real.inputs, given, strict=True))
        reaches = {name: Reach.of(as_real(real, name, x)) for name, x in values.items()}
        last = {name: k for k, op in enumerate(real.ops) for name in op.inputs}
        for name in real.inputs:
            yield name, as_real(real, name, values[name]), reaches[name], None
        for k, op in enumerate(real.ops):
            operands = [as_real(real, i, values[i]) for i in op.inputs]
            inputs = [reaches[i] for i in op.inputs]
            if isinstance(op, Quantize) and op.output in codes:
                values[op.output] = codes[op.output][0]
                reach = inputs[0]
            else:
                values[op.output] = op.execute(operands, real.constants)
                error = None if isinstance(op, Quantize) else float_error(op, real, inputs)
                reach = Reach.of(values[op.output], error)
            result = as_real(real, op.output, values[op.output])
            yield op.output, result, reach, operands[0] if isinstance(op, Quantize) else None
            reaches[op.output] = Reach.of(result) if isinstance(op, Quantize) else reach
            for name in set(op.inputs):
                if last[name] == k:
                    del values[name]

    def _codes(
        self,
        row: Held,
        actual: IntArray,
        valid: NDArray[np.bool_],
        compared: Reals,
        reach: Reach,
        start: int,
    ) -> None:
        op, error = self.quantizers[row.tensor], self.errors[row.tensor]
        row.bound = max(row.bound, float(error.max(initial=0.0)))
        margin = error + reach.error + comparison_error(op, reach)
        ends = [op.execute([compared + m], self.real.constants) for m in (-margin, margin)]
        low, high = np.minimum(*ends), np.maximum(*ends)
        row.open += int((low != high)[valid].sum())
        own = op.execute([compared], self.real.constants)
        row.differing += int((actual != own)[valid].sum())
        row.add(actual, low, high, valid, start)

    def _outputs(
        self,
        row: Held,
        port: Port,
        name: str,
        actual: Reals,
        exact: Reals,
        reach: Reach,
        valid: NDArray[np.bool_],
        start: int,
    ) -> None:
        rounded = np.broadcast_to(reach.error + 2.0**-48 * reach.most, exact.shape)
        off = np.abs(inward(port, actual, exact.shape) - exact)[valid]
        far = off.max(axis=(0, 1, 2), initial=0.0)
        before = self.farthest.get(name)
        self.farthest[name] = far if before is None else np.maximum(before, far)
        exact, rounded = (outward(port, v).reshape(actual.shape) for v in (exact, rounded))
        margin = row.bound + rounded
        row.worst = max(row.worst, float(far.max(initial=0.0)))
        row.add(actual, exact - margin, exact + margin, valid, start)
