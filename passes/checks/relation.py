"""The tensors and channels of the imported network that those of a program stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact.constant_channels import kept_channels, removed_codes
from ..program.interface import Port
from ..program.operation import Op
from ..program.ops import Conv, Flatten, MaxPool
from ..program.ops.real import (
    Elementwise,
    Interval,
    Quantize,
    RealConcat,
    RealConv,
    RealFlatten,
    RealMaxPool,
    RealRearrange,
    floats,
)
from ..program.program import Program
from ..program.types import IntArray, IntType
from .accumulator import code_value, weight_of
from .float_error import steepness
from .heads import Unrelated

__all__ = ["Relation", "Unrelated", "flattened_orders", "inward", "outward"]

Reals = NDArray[np.float64]


def accumulating(program: Program, tensor: str) -> Conv | None:
    """Return the convolution that makes a tensor of sums of codes; None for any other tensor.

    Other tensors of the program have the name that they have in the network, since passes keep the
    meaning of a name; sums of codes do not occur in the network, so their names do not relate.
    """
    maker = program.producer(tensor)
    return maker if isinstance(maker, Conv) else None


def require_same(maker: Conv, conv: RealConv) -> None:
    """Check that both convolutions, of program and network, state the same ONNX nodes.

    Raises:
        Unrelated: they do not.
    """
    if maker.origin != conv.origin:
        of = ", ".join(maker.origin) or "no node"
        raise Unrelated(
            f"{maker.output} is of {of}, where the network has {', '.join(conv.origin)}"
        )


def moved_codes(program: Program, tensor: str, link: Op) -> str | None:
    """Return the codes that a tensor pools or flattens, where the network does so to their values.

    Offsets of codes move after pools and flattening, so the network has no such tensor.

    Args:
        program: the program.
        tensor: of the program.
        link: the network's operation of the same place.
    """
    maker = program.producer(tensor)
    kinds = ((MaxPool, RealMaxPool), (Flatten, RealFlatten))
    if not any(isinstance(maker, a) and isinstance(link, b) for a, b in kinds):
        return None
    assert maker is not None
    return maker.inputs[0]


class Relation:
    """A program and the network it was made from.

    Attributes:
        real: the imported network (``evaluate.reference``).
        program: the integer program made from it.
        quantizers: those of the network, by name; the program's code tensors have the same names.
        producers: the operations of the program, by the name of their result.
    """

    def __init__(self, real: Program, program: Program) -> None:
        self.real, self.program = real, program
        self.quantizers = {op.output: op for op in real.ops if isinstance(op, Quantize)}
        self.producers = {op.output: op for op in program.ops}
        self.orders = flattened_orders(real)
        self._require()

    def _require(self) -> None:
        """Check that shapes and names of program and network agree."""
        faces = [
            [[port.shape for port in ports] for ports in (face.inputs, face.outputs)]
            for face in (self.real.interface, self.program.interface)
        ]
        if faces[0] != faces[1]:
            raise Unrelated(f"shapes of inputs and outputs are {faces[1]}; it has {faces[0]}")
        for name, op in self.quantizers.items():
            if name not in self.producers:
                continue
            *size, channels = self.real.types[name].shape
            kept = len(kept_channels(self.program, name, channels))
            if self.program.types[name].shape != (*size, kept):
                raise Unrelated(
                    f"{name} is of shape {self.program.types[name].shape}; it has {(*size, kept)}"
                )
            self.error(op)

    def all_channels(self, name: str, codes: IntArray) -> IntArray:
        """Return a program's codes with all channels of the network, in ONNX order."""
        channels = self.real.types[name].shape[2]
        kept = kept_channels(self.program, name, channels)
        full = np.broadcast_to(
            removed_codes(self.program, name, channels), (*codes.shape[:3], channels)
        ).copy()
        full[..., kept] = codes
        order = self.orders.get(name)
        if order is None:
            return full
        ordered = np.empty_like(full)
        ordered[..., order] = full
        return ordered

    def error(self, op: Quantize) -> Reals:
        """Return the program's error in the input of a quantizer, before ``input_scale``, (C,)."""
        base = self.producers[op.output].inputs[0]
        tensor_type = self.program.int_type(base)
        # The chain is followed even where the error is 0: another network's base leads elsewhere.
        links = {link.output: link for link in self.real.ops}
        chain: list[Elementwise] = []
        name, held, maker = op.inputs[0], base, accumulating(self.program, base)
        while maker is not None or name != held:
            link = links.get(name)
            if isinstance(link, Elementwise):
                chain.append(link)
            elif (
                link is not None
                and not tensor_type.error
                and (codes := moved_codes(self.program, held, link))
            ):
                held = codes  # which have no error to follow
            elif isinstance(link, RealConv) and maker is not None:
                require_same(maker, link)
                return self._after(chain, tensor_type, self._accumulator_unit(link, maker))
            else:
                raise Unrelated(f"{base} is nothing that {op.output} compares")
            name = link.inputs[0]
        return self._after(chain, tensor_type, np.full(self.real.types[op.output].shape[2], 1.0))

    @np.errstate(over="ignore", invalid="ignore")
    def _after(self, chain: list[Elementwise], tensor_type: IntType, unit: Reals) -> Reals:
        """Return the error after a chain, given backwards, of integers that are off by their
        type's error in a unit.
        """
        error = unit * float(tensor_type.error) * (1 + 2.0**-40)
        most = float(tensor_type.real_most) * unit + error
        for link in reversed(chain):
            if not error.any():
                break
            error = error * steepness(link, most)
            ends = link.evaluate(Interval(-most, most))
            most = ends.most * (1 + 2.0**-40) + error
        return error

    def _accumulator_unit(self, conv: RealConv, maker: Conv) -> Reals:
        """Return the real value of the integer 1 of an accumulator, (C,)."""
        weight = weight_of(self.real, self.program, conv)
        unit, _ = code_value(self.real, self.program, conv, maker)
        result: Reals = np.abs(floats(weight.step)) * abs(float(unit))
        return result


def outward(port: Port, maps: NDArray[Any]) -> NDArray[Any]:
    """Return an output (N, H, W, C) in the order of the model's axes."""
    return maps if port.channels_last else maps.transpose(0, 3, 1, 2)


def inward(port: Port, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return output in the order of the model's axes as maps of a shape (N, H, W, C)."""
    if port.channels_last:
        return values.reshape(shape)
    n, height, width, channels = shape
    return values.reshape(n, channels, height, width).transpose(0, 2, 3, 1)


def flattened_orders(real: Program) -> dict[str, NDArray[np.intp]]:
    """Return the channel orders of tensors that programs, which flatten in memory order, reorder.

    Returns:
        For each such tensor: the index in the imported network of each of the program's channels.
    """
    orders: dict[str, NDArray[np.intp]] = {}
    for op in real.ops:
        if isinstance(op, RealFlatten) and not op.channels_last:
            height, width, channels = real.types[op.inputs[0]].shape
            if height * width > 1:
                index = np.arange(channels * height * width).reshape(channels, height, width)
                orders[op.output] = index.transpose(1, 2, 0).ravel()
                continue
        if isinstance(op, RealConv | RealRearrange) or not any(i in orders for i in op.inputs):
            continue
        sizes = [real.types[i].shape[2] for i in op.inputs]
        parts = [orders.get(i, np.arange(n)) for i, n in zip(op.inputs, sizes, strict=True)]
        if isinstance(op, RealConcat):
            starts = np.cumsum([0, *sizes])
            parts = [np.concatenate([p + s for p, s in zip(parts, starts, strict=False)])]
            orders[op.output] = parts[0]
        else:
            orders[op.output] = next(orders[i] for i in op.inputs if i in orders)
        if (orders[op.output] == np.arange(len(orders[op.output]))).all():
            del orders[op.output]
    return orders
