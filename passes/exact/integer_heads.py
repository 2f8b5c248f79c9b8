"""ArgMax, ArgMin and TopK as integer operations behind the values that they compare.

A row of C values x[0] … x[C−1] of one scale becomes keys, which are all different:

    key[c] = ±x[c] · 2^b + (C − 1 − c),   2^b ≥ C        (+ c where the last of equals counts)

with − where the least value is wanted, or the greatest of integers whose real step is negative. The
greatest key, by maxima over windows, is that of the wanted element: ⌊key / 2^b⌋ is ±x, and what
remains is its index. TopK takes it k times; each time the greatest key is then made the least. No
value is rounded, so indices and ties are exact in the integers x.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.escape import plain
from n2uqc.frontend.index_heads import IndexHead, StaysOnHost, index_heads, remaining
from n2uqc.frontend.places import factored

from ..program import ConstRef, Interface, Op, Port, Program
from ..program.boundary import memory_places
from ..program.ops import Add, Clamp, Concat, MaxPool, Rearrange, Requantize
from ..program.types import Constant, IntType, TensorType
from ..rewrite import ConstantPool, fresh, live

SCORES = "scores"
"""Key of a program's metadata: the tensors that its outputs were before its heads, in order."""

_WINDOW = 8  # most positions of one maximum where the row's length has such a divisor
_LONGEST = 16  # positions of one maximum from which several with a rest are cheaper
_KEY_BITS = 58  # of a key: twice its distance from another has to fit 64
_STEP_BITS = 30  # of a power of two that is one multiplier


def integer_heads(program: Program) -> Program:
    """Compute ArgMax, ArgMin and TopK of outputs of one scale in integers, exactly."""
    host = program.host
    if host is None:
        return program
    heads, reasons = index_heads(host, memory_places(program))
    builder = HeadBuilder(program)
    tensors = dict(zip((p.name for p in program.interface.outputs), program.outputs, strict=True))
    made: dict[str, tuple[Port, str]] = {}
    notes: list[str] = []
    for head in heads:
        tensor = tensors[head.source]
        try:
            indices, values = builder.head(head, tensor)
        except StaysOnHost as reason:
            reasons[head.node] = str(reason)
            continue
        for name, result, whole in ((head.indices, indices, True), (head.values, values, False)):
            if name:
                made[name] = Port(name, head.shape, channels_last=True, indices=whole), result
        notes.append(_note(head, tensor, program.int_type(tensor)))
    notes += [
        f"{plain(node)} runs on the host, behind the outputs: {why}"
        for node, why in reasons.items()
    ]
    if not made:
        return replace(program, notes=(*program.notes, *notes))
    rest = remaining(host, set(made))
    ports = {
        p.name: (p, t) for p, t in zip(program.interface.outputs, program.outputs, strict=True)
    }
    wanted = host.outputs
    if rest is not None:
        read = {value.name for value in rest.proto.graph.input} | set(rest.outputs)
        wanted = tuple(name for name in (*ports, *made) if name in read)
    ends = [(ports | made)[name] for name in wanted]
    return live(
        replace(
            program,
            interface=Interface(program.interface.inputs, tuple(port for port, _ in ends)),
            outputs=tuple(tensor for _, tensor in ends),
            ops=(*program.ops, *builder.ops),
            types=builder.types,
            constants=builder.constants.all,
            metadata={**program.metadata, SCORES: ",".join(program.outputs)},
            notes=(*program.notes, *notes),
            host=rest,
        )
    )


def _note(head: IndexHead, tensor: str, tensor_type: IntType) -> str:
    text = f"{plain(head.node)}: indices are exact in the integers of {tensor}, the values before"
    error = float(tensor_type.error)
    if not error:
        return f"{text}, which are the network's"
    return (
        f"{text}; these are within {error:.2g} of the network's, so only of values closer than "
        f"{2 * error:.2g} may another index come out than the network's"
    )


class HeadBuilder:
    """The operations of all heads of a program."""

    def __init__(self, program: Program) -> None:
        self.types: dict[str, TensorType] = dict(program.types)
        self.constants = ConstantPool(dict(program.constants))
        self.ops: list[Op] = []
        self.base, self.origin = "", ("",)

    def head(self, head: IndexHead, tensor: str) -> tuple[str, str]:
        """Add the operations of a head; return the tensors of its indices and of its values.

        Raises:
            StaysOnHost: it has no such operations, of which none was added.
        """
        size, source = head.places.shape[1], self._type(tensor)
        bits = max(1, (size - 1).bit_length())
        if source.scale is None:
            raise StaysOnHost("the scale of the values differs by channel")
        if source.bits + bits > _KEY_BITS:
            raise StaysOnHost(
                f"keys of {size} values of {source.bits} bits need more than {_KEY_BITS}"
            )
        rows = head.places.transpose(0, 2, 1)
        if factored(rows) is None:
            raise StaysOnHost("its rows of values lie in no order that tables of places state")
        self.base = fresh(self.types, f"{tensor}.{head.op}")
        self.origin = (head.node,)
        x = self._moved(tensor, rows)
        sign = 1 if head.greatest == (source.scale > 0) else -1
        indices, values = [], []
        keys = self._keys(x, sign << bits, head.last)
        for k in range(head.count):
            top = self._greatest(keys)
            value = self._floor(top, bits, sorted((sign * source.lo, sign * source.hi)))
            values.append(value)
            indices.append(self._index(top, value, bits, size, head.last))
            if k + 1 < head.count:
                keys = self._lowered(keys, top)
        if head.values and sign < 0:
            values = [self._scaled("value", v, -1, 0, source.lo, source.hi) for v in values]
        most = Fraction(size - 1 if source.error else 0)
        index = self._joined([self._real(i, Fraction(1), most) for i in indices], head)
        if not head.values:
            return index, ""
        real = [self._real(v, source.scale, source.error) for v in values]
        return index, self._joined(real, head)

    def _type(self, name: str) -> IntType:
        tensor_type = self.types[name]
        assert isinstance(tensor_type, IntType)
        return tensor_type

    def _real(self, name: str, scale: Fraction, error: Fraction) -> str:
        self.types[name] = replace(self._type(name), scale=scale, error=error)
        return name

    def _add(self, op_type: type[Op], what: str, inputs: tuple[str, ...], **fields: Any) -> str:
        """Add an operation, arrays among its fields as constants; return its result."""
        name = fresh(self.types, f"{self.base}.{what}")
        made = {
            field: ConstRef(self.constants.add(f"{name}.{field}", Constant.narrow(value)))
            if isinstance(value, np.ndarray)
            else value
            for field, value in fields.items()
        }
        op = op_type(output=name, inputs=inputs, origin=self.origin, **made)
        inferred = op.infer_integer(self.types, self.constants.all)
        keeps = isinstance(op, MaxPool | Rearrange | Concat)
        scale = self._type(inputs[0]).scale if keeps else None
        error = self._type(inputs[0]).error if keeps else Fraction(0)
        self.types[name] = replace(inferred, scale=scale, error=error, rows=None)
        self.ops.append(op)
        return name

    def _scaled(
        self, what: str, x: str, multiplier: int, bias: Any, lo: int, hi: int, shift: int = 0
    ) -> str:
        """Return ``clamp(round((x * multiplier + bias) / 2**shift), lo, hi)``."""
        row = np.zeros(self._type(x).shape[2], np.int64)
        fields = {"multiplier": row + multiplier, "bias": row + bias, "shift": row + shift}
        return self._add(Requantize, what, (x,), **fields, lo=lo, hi=hi)

    def _moved(self, x: str, places: NDArray[np.int64]) -> str:
        """Return elements of a tensor as a map of another shape, (H, W, C) of their places.

        Where they are all elements in the order of memory, and as many channels, that is the
        tensor.
        """
        tensor_type = self._type(x)
        whole = np.array_equal(places.reshape(-1), np.arange(tensor_type.size))
        if whole and tensor_type.shape[2] == places.shape[2]:
            return x
        return self._moved_as(x, places, "moved")

    def _viewed(self, x: str, shape: tuple[int, int, int]) -> str:
        if self._type(x).shape == shape:
            return x
        return self._moved_as(x, np.arange(int(np.prod(shape))).reshape(shape))

    def _moved_as(self, x: str, places: NDArray[np.int64], what: str = "view") -> str:
        """Return a map of copies from places that are sums of one for each axis."""
        rows, columns, channels = (
            places[:, 0, 0],
            places[0, :, 0] - places[0, 0, 0],
            places[0, 0, :] - places[0, 0, 0],
        )
        return self._add(Rearrange, what, (x,), rows=rows, columns=columns, channels=channels)

    def _keys(self, x: str, step: int, last: bool) -> str:
        tensor_type = self._type(x)
        place = np.arange(tensor_type.shape[2])
        lo, hi = sorted((tensor_type.lo * step, tensor_type.hi * step))
        order = place if last else place[::-1]
        return self._scaled("keys", x, step, order, lo, hi + len(place) - 1)

    def _greatest(self, x: str) -> str:
        """Return the greatest of each pixel's channels: (H, W, C) to (H, W, 1).

        A part of the channels lies side by side, as lanes, of which windows take the maxima.
        """
        height, width, size = self._type(x).shape
        while size > 1:
            taken = next((d for d in range(_WINDOW, 1, -1) if size % d == 0), None)
            if taken is None:  # no small divisor: that of all, or windows with a rest
                taken = next(d for d in range(_WINDOW + 1, size + 1) if size % d == 0)
            if taken > _LONGEST and (height, width) == (1, 1):
                x = self._viewed(x, (1, size, 1))
                pads = (0, 0, 0, -size % _WINDOW)
                window = (1, _WINDOW)
                x = self._add(MaxPool, "top", (x,), kernel=window, stride=window, pads=pads)
                size = self._type(x).shape[1]
                x = self._viewed(x, (1, 1, size))
                continue
            size //= taken
            x = self._viewed(x, (height, width * taken, size))
            x = self._add(MaxPool, "top", (x,), kernel=(1, taken), stride=(1, taken))
        return x

    def _floor(self, top: str, bits: int, ends: list[int]) -> str:
        """Return ``top >> bits``, which is within two ends."""
        return self._scaled("value", top, 2, 1 - (1 << bits), ends[0], ends[1], bits + 1)

    def _index(self, top: str, value: str, bits: int, size: int, last: bool) -> str:
        tensor_type = self._type(value)
        most = max(abs(tensor_type.lo), abs(tensor_type.hi)) << bits
        back = self._scaled("back", value, -1 << bits, 0, -most, most)
        rest = self._add(Add, "rest", (top, back))
        sign, first = (1, 0) if last else (-1, size - 1)
        return self._scaled("index", rest, sign, first, 0, size - 1)

    def _lowered(self, keys: str, top: str) -> str:
        """Return the keys with the greatest made less than all others."""
        tensor_type = self._type(keys)
        height, width, size = tensor_type.shape
        ends = 1 - self._type(top).hi, 1 - self._type(top).lo
        above = self._scaled("above", top, -1, 1, *ends)
        pixels = np.arange(height * width).reshape(height, width, 1)
        spread = self._moved_as(above, np.repeat(pixels, size, axis=2), "spread")
        taken = self._add(Clamp, "taken", (self._add(Add, "beyond", (keys, spread)),), lo=0, hi=1)
        least = tensor_type.lo - 1 if not self._is_lowered(keys) else tensor_type.lo
        room = (tensor_type.hi - least).bit_length()
        for step in (min(room, _STEP_BITS), max(0, room - _STEP_BITS)):
            if step:
                sign = -1 if self._type(taken).lo == 0 else 1
                taken = self._scaled("off", taken, sign << step, 0, -(1 << room), 0)
        lowered = self._add(Add, "lowered", (keys, taken))
        return self._add(Clamp, "keys", (lowered,), lo=least, hi=tensor_type.hi)

    def _is_lowered(self, keys: str) -> bool:
        return isinstance(next(op for op in self.ops if op.output == keys), Clamp)

    def _joined(self, parts: list[str], head: IndexHead) -> str:
        """Return results (H, W, 1) each as one tensor in the order of the head's result."""
        joined = parts[0]
        for part in parts[1:]:
            joined = self._add(Concat, "joined", (joined, part))
        before, _, behind = head.places.shape
        order = np.arange(before * behind * len(parts)).reshape(before, behind, len(parts))
        order = order.transpose(0, 2, 1)
        if behind == 1 or len(parts) == 1:
            return joined
        return self._moved_as(joined, order)
