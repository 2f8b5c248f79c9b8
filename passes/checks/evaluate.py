"""Deviation of a program from the trained network, on given images.

The reference is the imported network in float64 (relative error about 1e-16). A code is *undecided*
if the compared value is within 1e-10 of a threshold; undecided codes are not counted as flips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..exact.constant_channels import kept_channels
from ..fixed_point.calibrate import as_maps
from ..importing.channels_last import channels_last
from ..importing.from_graph import import_graph
from ..importing.pixel_input import pixel_input
from ..options import Options
from ..program import Program
from ..program.boundary import output_types, quantize_inputs
from ..program.interpreter import as_real, steps
from ..program.named import Batch, InputError, Named, samples, some
from ..program.ops.real import Quantize, floats
from ..program.types import IntType
from .heads import scored

CHUNK = 16
_UNDECIDED = 1e-10  # relative to the threshold and the value; far above float64's own error


@dataclass
class LayerFlips:
    """The deviation of one quantizer's codes.

    Attributes:
        layer: name of the code tensor.
        codes: codes compared.
        flips: codes that differ from exact arithmetic.
        undecided: codes whose value is too close to a threshold to decide.
        within_error: compared values within the program's stated error of a threshold, where a flip
            is possible even with equal codes before it (0 for exact accumulators).
        reads: name of the compared tensor.
        bits: width of the compared tensor.
        unit: real value of its last bit; None for exact accumulators.
    """

    layer: str
    codes: int = 0
    flips: int = 0
    undecided: int = 0
    within_error: int = 0
    reads: str = ""
    bits: int = 0
    unit: float | None = None

    @property
    def rate(self) -> float:
        """Share of flipped codes."""
        return self.flips / max(self.codes, 1)


@dataclass
class Deviation:
    """The deviation of a program from exact arithmetic over some images.

    Attributes:
        samples: number of images.
        layers: deviations of the quantizers, in order.
        top1: number of images whose largest value is the same in every output.
        logit_error: greatest |difference| of an output, relative to the greatest |output|.
        logit_bound: the program's proven bound on the absolute error of an output if all codes are
            equal.
        exact: outputs of exact arithmetic by name, float64 (N, H, W, C).
        integer: outputs of the program by name, in real units.
    """

    samples: int
    layers: list[LayerFlips]
    top1: int
    logit_error: float
    logit_bound: float
    exact: dict[str, NDArray[np.float64]]
    integer: dict[str, NDArray[np.float64]]

    @property
    def flip_rate(self) -> float:
        """Share of flipped codes over all layers."""
        return sum(r.flips for r in self.layers) / max(1, sum(r.codes for r in self.layers))

    @property
    def first(self) -> LayerFlips | None:
        """The first quantizer with different codes;
        all codes before it are equal on every image.
        """
        return next((row for row in self.layers if row.flips), None)

    def as_json(self) -> dict[str, Any]:
        """Return the report without the outputs."""
        return {
            "samples": self.samples,
            "flip_rate": self.flip_rate,
            "top1_agreement": self.top1,
            "relative_logit_error": self.logit_error,
            "logit_error_bound": self.logit_bound,
            "first_flip": self.first.layer if self.first is not None else None,
            "layers": [vars(row) for row in self.layers],
        }


def agreement(a: Named, b: Named) -> tuple[int, float]:
    """Return the number of samples with equal top-1 classes, and equal indices, in every output,
    and the greatest difference of an output of values relative to its max |b|.
    """
    same, worst = np.ones(samples(a), bool), 0.0
    for name, one in a.items():
        x, y = (v.reshape(len(v), -1) for v in (one, b[name]))
        if "i" in x.dtype.kind + y.dtype.kind:
            same &= (x == y).all(axis=1)
            continue
        same &= x.argmax(axis=1) == y.argmax(axis=1)
        error = float(np.abs(x - y).max(initial=0.0))
        worst = max(worst, error / max(float(np.abs(y).max(initial=0.0)), 1e-300))
    return int(same.sum()), worst


def reference(model: ir.Model, options: Options) -> Program:
    """Import a network in the real dialect, with the input that the options describe.

    After flattening, channels are in memory order, as in a program.
    """
    return channels_last(pixel_input(import_graph(model), options))


def deviation(real: Program, program: Program, images: Batch) -> Deviation:
    """Run images through the program and through exact arithmetic, and compare.

    Args:
        real: network from ``reference``.
        program: the integer program of the same network.
        images: images (N, *port.shape) in the form that the program reads; by name where there are
            several inputs.

    Raises:
        InputError: the images do not fit the program.
        Unrelated: the program is not of this network.
    """
    program = scored(program, real)
    integers = quantize_inputs(program, images)
    if not samples(images):
        raise InputError("there is no sample to compare")
    maps = {
        name: value.astype(np.int64 if value.dtype.kind in "iu" else np.float64)
        for name, value in as_maps(real, images).items()
    }
    quantizers = {op.output: op for op in real.ops if isinstance(op, Quantize)}
    rows = {name: _row(program, name) for name in quantizers}
    ports = program.interface.outputs
    exact: dict[str, list[NDArray[Any]]] = {port.name: [] for port in ports}
    integer: dict[str, list[NDArray[Any]]] = {port.name: [] for port in ports}
    for start in range(0, samples(images), CHUNK):
        piece = slice(start, start + CHUNK)
        codes = {}
        for name, value in steps(program, some(integers, piece)):
            if name in quantizers:
                codes[name] = value.astype(np.int16)
            for port, output in zip(ports, program.outputs, strict=True):
                if name == output:
                    integer[port.name].append(as_real(program, name, value))
        previous: dict[str, NDArray[Any]] = {}
        for name, value in steps(real, some(maps, piece)):
            if name in quantizers and name in codes:
                source = quantizers[name].inputs[0]
                compared = as_real(real, source, previous[source])
                kept = kept_channels(program, name, value.shape[3])
                _count(
                    rows[name],
                    _channels(quantizers[name], kept),
                    compared[..., kept],
                    value[..., kept],
                    codes[name],
                    _source_error(program, rows[name]),
                )
            previous = {**previous, name: value} if _feeds(quantizers, name) else previous
            for port, output in zip(ports, real.outputs, strict=True):
                if name == output:
                    exact[port.name].append(as_real(real, name, value))
    actual = {name: np.concatenate(pieces) for name, pieces in integer.items()}
    want = {n: np.concatenate(p).reshape(actual[n].shape) for n, p in exact.items()}
    top1, error = agreement(actual, want)
    bound = max(float(tensor_type.error) for _, tensor_type in output_types(program))
    return Deviation(samples(images), list(rows.values()), top1, error, bound, want, actual)


def _channels(op: Quantize, kept: list[int]) -> Quantize:
    """Return the quantizer with only the channels that a program has kept."""
    if len(op.thresholds) == 1:
        return op
    return replace(op, thresholds=tuple(op.thresholds[c] for c in kept))


def _feeds(quantizers: dict[str, Quantize], name: str) -> bool:
    return any(name in op.inputs for op in quantizers.values())


def _row(program: Program, name: str) -> LayerFlips:
    op = program.producer(name)
    tensor_type = program.types[op.inputs[0]] if op is not None else None
    if op is None or not isinstance(tensor_type, IntType):
        return LayerFlips(name)
    unit = None if tensor_type.scale is None else float(tensor_type.unit)
    return LayerFlips(name, reads=op.inputs[0], bits=tensor_type.bits, unit=unit)


def _source_error(program: Program, row: LayerFlips) -> float:
    """Return the stated error of the tensor that a table reads, in real units."""
    tensor_type = program.types[row.reads] if row.reads else None
    return float(tensor_type.error) if isinstance(tensor_type, IntType) else 0.0


def _count(
    row: LayerFlips,
    op: Quantize,
    x: NDArray[Any],
    want: NDArray[Any],
    got: NDArray[Any],
    error: float,
) -> None:
    table = np.array([floats(r) for r in op.thresholds])
    scale = float(op.input_scale)
    undecided = np.zeros(x.shape, dtype=bool)
    near = np.zeros(x.shape, dtype=bool)
    for k in range(table.shape[1]):
        gap = np.abs(x * scale - table[:, k])
        undecided |= gap <= _UNDECIDED * (np.abs(table[:, k]) + np.abs(x * scale))
        near |= gap <= error * abs(scale)
    row.codes += want.size
    row.undecided += int(undecided.sum())
    row.flips += int(((want != got) & ~undecided).sum())
    row.within_error += int(near.sum()) if error else 0
