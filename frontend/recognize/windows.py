"""Sliding windows of convolutions and pools, with every attribute explicit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from .pattern import Refused
from .queries import shape_of

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A two-dimensional window; `pads` are top, left, bottom, right as in ONNX."""

    kernel: Pair
    strides: Pair
    pads: tuple[int, int, int, int]
    dilations: Pair

    def attributes(self, rank: int = 4) -> dict[str, tuple[int, ...]]:
        """Return ONNX's attributes for a tensor of this rank; a sequence is a map of one row."""
        row = rank == 3
        return {
            "kernel_shape": self.kernel[row:],
            "strides": self.strides[row:],
            "pads": self.pads[1::2] if row else self.pads,
            "dilations": self.dilations[row:],
        }

    def overhang(self, data: tuple[int, ...], result: tuple[int, ...]) -> Pair:
        """Return the rows and columns by which the last windows extend beyond the padded image."""
        rows, columns = self.reach_over(data, result)
        return max(0, rows), max(0, columns)

    def reach_over(self, data: tuple[int, ...], result: tuple[int, ...]) -> Pair:
        """Return the same as `overhang`, negative where the last windows end before the edge."""
        over = []
        for axis in (0, 1):
            span = (result[2 + axis] - 1) * self.strides[axis]
            span += (self.kernel[axis] - 1) * self.dilations[axis] + 1
            over.append(span - data[2 + axis] - self.pads[axis] - self.pads[2 + axis])
        return over[0], over[1]

    def starts_outside(self, data: tuple[int, ...], result: tuple[int, ...]) -> bool:
        """Return whether the last window begins after the image,
        in the padding below or to the right.
        """
        return any(
            result[2 + axis] > 1
            and (result[2 + axis] - 1) * self.strides[axis] >= data[2 + axis] + self.pads[axis]
            for axis in (0, 1)
        )

    def padded(self, extra: Pair) -> Window:
        """Return the window with `extra` rows and columns of padding below and to the right."""
        top, left, bottom, right = self.pads
        return replace(self, pads=(top, left, bottom + extra[0], right + extra[1]))


def as_map(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return [N,C,L] as [N,C,1,L]; [N,C,H,W] unchanged."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def explicit_window(
    node: ir.Node, data: tuple[int, ...], kernel: tuple[int, ...] | None = None
) -> Window:
    """Return a convolution's or pool's window, with defaults filled in and auto_pad resolved.

    Args:
        node: the node, with attributes as exported.
        data: shape of its input, [N,C,H,W] or [N,C,L].
        kernel: size of the weights' window, for a node that may omit the attribute.

    Raises:
        Refused: the input is neither image nor sequence, or an attribute has a wrong number of
            entries.
    """
    if len(data) not in (3, 4):
        raise Refused(f"a tensor of shape {data}", "images [N,C,H,W] or sequences [N,C,L]")
    axes = len(data) - 2

    def read(name: str, default: tuple[int, ...] | None) -> tuple[int, ...]:
        values = node.attributes.get_ints(name)
        values = tuple(int(v) for v in values) if values is not None else default
        size = 2 * axes if name == "pads" else axes
        if values is None or len(values) != size:
            kind = "two-dimensional images" if axes == 2 else "sequences"
            raise Refused(f"{name} {values}", f"{size} entries: {kind}")
        if min(values) < (0 if name == "pads" else 1):
            raise Refused(f"{name} {values}", "no negative or zero entries")
        return values

    row = (1,) if axes == 1 else ()
    (height, width), strides, dilations = (
        (*row, *read(name, default))
        for name, default in (
            ("kernel_shape", kernel), ("strides", (1,) * axes), ("dilations", (1,) * axes)
        )
    )  # fmt: skip
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    pads = read("pads", (0,) * 2 * axes) if mode == "NOTSET" else (0,) * 2 * axes
    if row:
        pads = (0, pads[0], 0, pads[1])
    window = Window(
        (height, width),
        (strides[0], strides[1]),
        (pads[0], pads[1], pads[2], pads[3]),
        (dilations[0], dilations[1]),
    )
    data = as_map(data)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        result = as_map(shape_of(node.outputs[0]))
        if min(window.reach_over(data, result)) < -1:  # ONNX does not define which are left out
            found = f"auto_pad {mode} with strides that leave rows or columns out"
            raise Refused(found, "strides up to the window, or pads written out")
        rows, columns = window.overhang(data, result)
        before, after = ((rows // 2, columns // 2), (-(-rows // 2), -(-columns // 2)))
        if mode == "SAME_LOWER":
            before, after = after, before
        window = replace(window, pads=(*before, *after))
    elif mode not in ("NOTSET", "VALID"):
        raise Refused(f"auto_pad {mode}", "NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    return window
