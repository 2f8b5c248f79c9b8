"""Attributes of the standard domain that take one of a few values.

Of another value every runtime makes its own, or nothing at all: it is refused before it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from .diagnostics import Problem
from .wellformed import node_name

_FLAGS = frozenset(
    "align_corners allowzero antialias center_point_box exclude_outside exclusive fmod keepdims "
    "largest noop_with_empty_axes reverse saturate select_last_index sorted transA transB".split()
)
"""0 or 1.  Those of pools are read where they mean something."""

_WORDS = {
    "approximate": ("none", "tanh"),
    "auto_pad": ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
    "coordinate_transformation_mode": (
        "half_pixel",
        "half_pixel_symmetric",
        "output_half_pixel",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_half_pixel_for_nn",
        "tf_crop_and_resize",
    ),
    "keep_aspect_ratio_policy": ("stretch", "not_larger", "not_smaller"),
    "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
}
"""By attribute, of every operator that has it."""

_MODES = {
    "DepthToSpace": ("DCR", "CRD"),
    "Pad": ("constant", "reflect", "edge", "wrap"),
    "Resize": ("nearest", "linear", "cubic"),
    "Upsample": ("nearest", "linear", "bilinear"),
}
"""Of the attribute ``mode``, by operator."""


def check_attribute_values(node: onnx.NodeProto) -> Iterator[Problem]:
    """Yield a problem for each attribute of a node of the standard domain whose value is none that
    ONNX defines.
    """
    for attribute in node.attribute:
        name = attribute.name
        if attribute.type == onnx.AttributeProto.INT:
            if name in _FLAGS and attribute.i not in (0, 1):
                yield Problem(node_name(node), node.op_type, f"{name} = {attribute.i}", "0 or 1")
        elif attribute.type == onnx.AttributeProto.STRING:
            word = attribute.s.decode(errors="replace")
            known = _MODES.get(node.op_type, ()) if name == "mode" else _WORDS.get(name, ())
            if known and word not in known:
                found = f"{name} = {word[:40]!r}"
                yield Problem(node_name(node), node.op_type, found, ", ".join(known))
