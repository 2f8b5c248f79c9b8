"""Operators that copy elements to other places, run on the places themselves.

An array of places, counted from 1, goes through a chain of such operators; what comes out says for
each element which one of the chain's input it is.  0 is an element outside, of value 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
import onnx_ir as ir

from .pattern import Context, Refused
from .queries import Array, shape_of

MOVEMENTS = frozenset(
    "Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Gather DepthToSpace SpaceToDepth "
    "Expand Tile Pad Resize".split()
)

RESHAPES = frozenset("Reshape Flatten Squeeze Unsqueeze".split())
"""Those that keep all elements in ONNX's order."""


@dataclass(frozen=True)
class Trial:
    """A batch size to run movements with.

    Attributes:
        context: the constants.
        other: whether it is the second size that stands in for a dynamic batch.
    """

    context: Context
    other: bool = False

    def array(self, node: ir.Node, index: int) -> Array:
        """Return a constant input of a node.

        Raises:
            Refused: it is computed from data.
        """
        array = self.optional(node, index)
        if array is None:
            raise Refused("places that are computed from data", "constant places")
        return array

    def optional(self, node: ir.Node, index: int) -> Array | None:
        """Return the same; None if it is left out."""
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None:
            return None
        if not self.context.constants.known(value):
            raise Refused("places that are computed from data", "constant places")
        if self.other and self.context.constants.depends_on_batch(value):
            return self.context.constants.with_other_batch(value)
        return self.context.constants.array(value)

    def axes(self, node: ir.Node) -> list[int] | None:
        """Return the axes of a Squeeze or Unsqueeze."""
        found = self.optional(node, 1)
        if found is None:
            given = node.attributes.get_ints("axes")
            return None if given is None else [int(a) for a in given]
        return [int(a) for a in found.reshape(-1)]


def run(node: ir.Node, places: Array, output: int, trial: Trial) -> Array:
    """Return the places of an output of a node, given those of its data input.

    Args:
        node: one of `MOVEMENTS`.
        places: int64, of its first input's shape.
        output: index of the output.
        trial: the constants.

    Raises:
        Refused: it does not only copy elements, or to places that are not constant.
    """
    op = node.op_type
    if op in RESHAPES:
        return _reshape(node, places, trial)
    if op == "Transpose":
        perm = node.attributes.get_ints("perm")
        return places.transpose(list(perm) if perm is not None else None)
    if op == "Slice":
        return _slice(node, places, trial)
    if op == "Split":
        return _split(node, places, output)
    if op == "Gather":
        index = trial.array(node, 1).astype(np.int64)
        return np.take(places, index, node.attributes.get_int("axis", 0))
    if op in ("DepthToSpace", "SpaceToDepth"):
        return _blocks(node, places)
    if op == "Expand":
        shape = trial.array(node, 1).reshape(-1).tolist()
        return np.broadcast_to(places, np.broadcast_shapes(places.shape, shape))
    if op == "Tile":
        return np.tile(places, trial.array(node, 1).reshape(-1).tolist())
    if op == "Pad":
        return _pad(node, places, trial)
    return _nearest(node, places, trial)


def _reshape(node: ir.Node, places: Array, trial: Trial) -> Array:
    if node.op_type == "Flatten":
        axis = node.attributes.get_int("axis", 1) % (places.ndim + 1)
        return places.reshape(prod(places.shape[:axis]), -1)
    if node.op_type == "Squeeze":
        axes = trial.axes(node)
        return np.squeeze(places, None if axes is None else tuple(axes))
    if node.op_type == "Unsqueeze":
        return np.expand_dims(places, tuple(trial.axes(node) or ()))
    target = trial.array(node, 1).reshape(-1).tolist()
    copies = node.attributes.get_int("allowzero", 0) == 0
    sizes = [places.shape[k] if not n and copies else n for k, n in enumerate(target)]
    return places.reshape(sizes)


def _slice(node: ir.Node, places: Array, trial: Trial) -> Array:
    starts, ends = (trial.array(node, k).reshape(-1).tolist() for k in (1, 2))
    axes = trial.optional(node, 3)
    steps = trial.optional(node, 4)
    where = range(len(starts)) if axes is None else axes.reshape(-1).tolist()
    by = [1] * len(starts) if steps is None else steps.reshape(-1).tolist()
    index = [np.arange(n) for n in places.shape]
    for start, end, axis, step in zip(starts, ends, where, by, strict=True):
        size = places.shape[axis]
        # ONNX clamps ends below -size to before the first element; Python would count them again.
        stop = None if step < 0 and end < -size else end
        index[axis % places.ndim] = np.arange(size)[slice(start, stop, step)]
    return places[np.ix_(*index)]


def _split(node: ir.Node, places: Array, output: int) -> Array:
    axis = node.attributes.get_int("axis", 0)
    sizes = [shape_of(o)[axis] for o in node.outputs]
    first = sum(sizes[:output])
    return np.take(places, np.arange(first, first + sizes[output]), axis)


def _blocks(node: ir.Node, places: Array) -> Array:
    """DepthToSpace in both modes, and SpaceToDepth."""
    n, channels, height, width = places.shape
    size = node.attributes.get_int("blocksize", 1)
    if node.op_type == "SpaceToDepth":
        blocks = places.reshape(n, channels, height // size, size, width // size, size)
        deep: Array = blocks.transpose(0, 3, 5, 1, 2, 4)
        return deep.reshape(n, -1, height // size, width // size)
    inner = channels // size**2
    if node.attributes.get_string("mode", "DCR") == "CRD":
        blocks = places.reshape(n, inner, size, size, height, width)
        wide: Array = blocks.transpose(0, 1, 4, 2, 5, 3)
    else:
        blocks = places.reshape(n, size, size, inner, height, width)
        wide = blocks.transpose(0, 3, 4, 1, 5, 2)
    return wide.reshape(n, inner, height * size, width * size)


def _pad(node: ir.Node, places: Array, trial: Trial) -> Array:
    mode = node.attributes.get_string("mode", "constant")
    value = trial.optional(node, 2)
    if mode == "constant" and value is not None and value.size and value.reshape(-1)[0] != 0:
        raise Refused(
            f"padding with {value.reshape(-1)[0]:g}",
            "a finite number, reflect, edge or wrap; the lowest number only before MaxPool",
        )
    pads = trial.array(node, 1).reshape(-1).tolist()
    axes = trial.optional(node, 3)
    where = list(range(places.ndim)) if axes is None else axes.reshape(-1).tolist()
    around = [(0, 0)] * places.ndim
    for k, axis in enumerate(where):
        around[axis % places.ndim] = pads[k], pads[k + len(where)]
    grown = [(max(a, 0), max(b, 0)) for a, b in around]
    if mode == "constant":
        # Zeros first: a crop on one side may be of more than there is without those on the other.
        places, around = np.pad(places, grown), [(min(a, 0), min(b, 0)) for a, b in around]
    cut = tuple(
        slice(max(-a, 0), size - max(-b, 0))
        for (a, b), size in zip(around, places.shape, strict=True)
    )
    if mode == "constant":
        return places[cut]
    if mode not in ("reflect", "edge", "wrap"):
        raise Refused(f"mode {mode}", "constant, reflect, edge or wrap")
    return np.pad(places[cut], grown, mode=mode)  # type: ignore[call-overload,no-any-return]


def resize_scales(node: ir.Node, trial: Trial) -> list[Fraction]:
    """Return the factor of each axis of a Resize.

    Raises:
        Refused: it is not constant, or a region is cropped.
    """
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    scales, sizes = (trial.optional(node, k) for k in (2, 3))
    axes = [int(a) % len(before) for a in node.attributes.get_ints("axes", ()) or ()]
    axes = axes or list(range(len(before)))
    found = [Fraction(1)] * len(before)
    if sizes is not None and sizes.size:
        policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            raise Refused(f"keep_aspect_ratio_policy {policy}", "stretch")
        for axis in axes:
            found[axis] = Fraction(after[axis], before[axis])
    elif scales is not None and scales.size:
        for axis, scale in zip(axes, scales.reshape(-1).tolist(), strict=True):
            found[axis] = Fraction(scale)
    else:
        raise Refused("neither scales nor sizes", "constant scales or sizes")
    return found


def source_positions(
    node: ir.Node, axis: int, scale: Fraction, before: int, after: int
) -> list[Fraction]:
    """Return the position in the input of each element of an axis of a Resize (ONNX's
    coordinate_transformation_mode).

    Raises:
        Refused: a mode that crops.
    """
    mode = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    half = Fraction(1, 2)
    length = before * scale
    found = []
    for x in range(after):
        if mode == "asymmetric":
            at = x / scale
        elif mode == "align_corners":
            at = Fraction(x * (before - 1), after - 1) if after != 1 else Fraction(0)
        elif mode == "half_pixel" or (mode == "pytorch_half_pixel" and after > 1):
            at = (x + half) / scale - half
        elif mode == "pytorch_half_pixel":
            at = Fraction(0)
        elif mode == "half_pixel_symmetric":
            center = Fraction(before, 2) * (1 - Fraction(after) / length)
            at = center + (x + half) / scale - half
        else:
            raise Refused(f"coordinate_transformation_mode {mode}", "one that crops nothing")
        found.append(at)
    return found


def _nearest(node: ir.Node, places: Array, trial: Trial) -> Array:
    mode = node.attributes.get_string("mode", "nearest")
    if mode != "nearest":
        raise Refused(f"mode {mode}", "nearest, linear or cubic")
    rounding = node.attributes.get_string("nearest_mode", "round_prefer_floor")
    result, sizes, shape = places, shape_of(node.inputs[0]), shape_of(node.outputs[0])
    scales = resize_scales(node, trial)
    for axis, (scale, before, after) in enumerate(zip(scales, sizes, shape, strict=True)):
        if scale == 1 and before == after:
            continue
        at = source_positions(node, axis, scale, before, after)
        index = [min(max(_rounded(p, rounding), 0), before - 1) for p in at]
        result = np.take(result, index, axis)
    return result


def _rounded(at: Fraction, mode: str) -> int:
    half = Fraction(1, 2)
    below = at.numerator // at.denominator
    if mode == "floor":
        return below
    if mode == "ceil":
        return -(-at.numerator // at.denominator)
    if mode == "round_prefer_ceil":
        return below + (at - below >= half)
    return below + (at - below > half)
