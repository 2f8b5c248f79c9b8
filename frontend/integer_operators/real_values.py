"""The real tensors that integer codes stand for: (code - zero point) * scale.

Each is dequantized once, where the codes were made: operators between that only move codes, and
MaxPool, which keeps their order, then move the real numbers instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ..constants import GraphConstants
from ..recognize.pattern import Refused

Array = npt.NDArray[Any]

MICROSOFT = "com.microsoft"

_MOVERS = frozenset(
    "Reshape Flatten Squeeze Unsqueeze Transpose Identity Slice Gather Split Pad MaxPool Tile "
    "Expand DepthToSpace SpaceToDepth Resize".split()
)
"""Operators whose output consists of elements of their first input; see `moves`."""

_KEYED = 2**16  # bytes of scales that are compared to find tensors dequantized twice


@dataclass(frozen=True)
class Coding:
    """How codes stand for numbers.

    Attributes:
        scale: one value, or one along `axis`.
        zero: the zero point, of the type of the codes; None for 0.
        axis: the axis of several scales; it may be negative.
    """

    scale: ir.Value
    zero: ir.Value | None
    axis: int = 1


class RealValues:
    """A graph while its operators on codes are replaced.

    Args:
        model: changed in place.
    """

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        self.constants = GraphConstants(model, None)
        self._made: dict[tuple[object, ...], ir.Value] = {}
        self._names = {
            str(v.name)
            for v in (*model.graph.inputs, *model.graph.initializers.values(),
                      *(out for node in model.graph for out in node.outputs))
        }  # fmt: skip

    def finish(self) -> None:
        """Remove what the rewritten operators no longer need."""
        RemoveUnusedNodesPass()(self.model)

    def name(self, wanted: str) -> str:
        """Return a name for a value that no other has."""
        name, tries = wanted, 1
        while name in self._names:
            name, tries = f"{wanted}_{tries}", tries + 1
        self._names.add(name)
        return name

    def array(self, value: ir.Value | None, what: str) -> Array:
        """Return a parameter.

        Raises:
            Refused: it is left out, or no constant.
        """
        array = self.constants.array(value)
        if array is None:
            raise Refused(f"a computed or missing {what}", f"a constant {what}")
        return array

    def parameter(self, name: str, array: Array, dtype: ir.DataType | None = None) -> ir.Value:
        """Add a parameter to the graph."""
        name = self.name(name)
        tensor = ir.tensor(array, name=name, dtype=dtype)
        value = ir.val(name, const_value=tensor)
        value.shape, value.dtype = ir.Shape(array.shape), tensor.dtype
        self.model.graph.register_initializer(value)
        return value

    def add(
        self, before: ir.Node, op: str, inputs: Sequence[ir.Value | None], name: str, output: str,
        attributes: Iterable[ir.Attr] | dict[str, Any] = (),
    ) -> ir.Value:  # fmt: skip
        """Insert a node of the standard domain with one output, and return the output.

        Of another operator's attributes it gets those that it has itself: nothing has checked what
        else an operator without a schema carries.
        """
        given: Any = attributes
        if not isinstance(attributes, dict):
            known = onnx.defs.get_schema(op).attributes
            given = {each.name: each for each in attributes if each.name in known}
        node = ir.node(op, inputs, given, name=name)
        node.outputs[0].name = self.name(output)
        self.model.graph.insert_before(before, node)
        return node.outputs[0]

    def replace(self, old: ir.Value, new: ir.Value) -> None:
        """Let `new` take the place and the name of a value."""
        old.replace_all_uses_with(new, replace_graph_outputs=True)
        old.name, new.name = self.name(f"{old.name}#"), old.name

    def quantizer(self, codes: ir.Value) -> ir.Node | None:
        """Return the QuantizeLinear that made codes which may have been moved since."""
        value: ir.Value | None = codes
        while value is not None and (maker := value.producer()) is not None:
            if maker.domain == "" and maker.op_type == "QuantizeLinear":
                return maker
            value = maker.inputs[0] if moves(maker) else None
        return None

    def take(self, node: ir.Node, codes: ir.Value, coding: Coding) -> bool:
        """Keep a DequantizeLinear as that of its codes; False if it is to be put elsewhere."""
        key, maker = self._key(coding), codes.producer()
        moved = maker is not None and moves(maker) and self.size(coding.scale) == 1
        if moved or (codes, *key) in self._made:
            return False
        self._made[codes, *key] = node.outputs[0]
        return True

    def real(self, codes: ir.Value | None, coding: Coding, before: ir.Node) -> ir.Value:
        """Return the real tensor of `codes`, inserted before a node if there is none yet."""
        key, single = self._key(coding), self.size(coding.scale) == 1
        path: list[ir.Value] = []
        while codes is not None and (codes, *key) not in self._made:
            maker = codes.producer()
            if maker is None or not single or not moves(maker) or self.constants.known(codes):
                break
            path.append(codes)
            codes = maker.inputs[0]
        if codes is None:
            raise Refused("a tensor is missing")
        if (codes, *key) not in self._made:
            inputs = [codes, coding.scale, *([coding.zero] if coding.zero is not None else [])]
            name = f"{codes.name}.dequantize"
            axis = {} if single else {"axis": coding.axis}
            made = self.add(
                before, "DequantizeLinear", inputs, name, f"{codes.name}.dequantized", axis
            )
            made.dtype = ir.DataType.FLOAT
            self._made[codes, *key] = made
        for moved in reversed(path):
            maker = moved.producer()
            assert maker is not None
            self._move(maker, coding, key, before)
        return self._made[path[0] if path else codes, *key]

    def _move(
        self, maker: ir.Node, coding: Coding, key: tuple[object, ...], before: ir.Node
    ) -> None:
        """Repeat an operator that moves codes on real numbers."""
        inputs = [self._made[maker.inputs[0], *key], *maker.inputs[1:]]
        if maker.op_type == "Pad":
            inputs = [*inputs, None, None][:4]
            fill = inputs[2] if inputs[2] is not None else self._zero(maker, maker.inputs[0])
            inputs[2] = self.real(fill, coding, before)
        attributes = {a.name: a for a in maker.attributes.values()}
        copy = ir.node(
            maker.op_type, inputs, attributes, name=maker.name, num_outputs=len(maker.outputs)
        )
        for output, codes in zip(copy.outputs, maker.outputs, strict=True):
            output.name, output.dtype = self.name(f"{codes.name}.real"), ir.DataType.FLOAT
            self._made[codes, *key] = output
        self.model.graph.insert_before(before, copy)

    def _key(self, coding: Coding) -> tuple[object, ...]:
        """Return what two codings share that mean the same."""
        parts: list[object] = []
        for value in (coding.scale, coding.zero):
            array = self.constants.array(value)
            if array is None or array.nbytes > _KEYED:
                parts.append(value)
                continue
            zero = value is coding.zero and not array.any()
            parts.append(b"" if zero else (array.astype(np.float64).tobytes(), str(array.dtype)))
        return tuple(b"" if part is None else part for part in (*parts, coding.axis))

    def size(self, value: ir.Value) -> int:
        array = self.constants.array(value)
        return 0 if array is None else array.size

    def code_type(self, codes: ir.Value | None) -> ir.DataType:
        """Return the integer type of codes, as stated or as their quantizer gives it."""
        while codes is not None:
            if codes.dtype is not None:
                return codes.dtype
            if (array := self.constants.array(codes)) is not None:
                return ir.DataType.from_numpy(array.dtype)
            maker = codes.producer()
            if maker is not None and maker.op_type == "QuantizeLinear" and len(maker.inputs) > 2:
                codes = maker.inputs[2]
            elif maker is not None and moves(maker):
                codes = maker.inputs[0]
            else:
                break
        return ir.DataType.UINT8  # what QuantizeLinear gives where nothing states a type

    def _zero(self, node: ir.Node, like: ir.Value | None) -> ir.Value:
        """Return a parameter 0 of the type of the codes `like`."""
        dtype = self.code_type(like)
        return self.parameter(f"{node.name}.zero", np.zeros((), dtype.numpy()), dtype)

    def quantize(self, node: ir.Node, real: ir.Value, coding: Coding, like: int = 0) -> None:
        """Replace the codes that `node` computes by `real`, quantized.

        Args:
            like: input whose type its codes have where no zero point states one.
        """
        zero = coding.zero if coding.zero is not None else self._zero(node, node.inputs[like])
        name = f"{node.name}.quantize"
        inputs = [real, coding.scale, zero]
        codes = self.add(node, "QuantizeLinear", inputs, name, f"{node.name}.codes")
        codes.dtype = self.code_type(zero)
        self.replace(node.outputs[0], codes)


def moves(node: ir.Node) -> bool:
    """Return whether a node's outputs consist of elements of its first input, and a fill."""
    if node.domain or node.op_type not in _MOVERS or not node.inputs or node.inputs[0] is None:
        return False
    if node.op_type == "MaxPool":
        return len(node.outputs) == 1  # the others are places
    if node.op_type == "Resize":
        placed = node.attributes.get_string("coordinate_transformation_mode", "")
        nearest = node.attributes.get_string("mode", "nearest") == "nearest"
        return nearest and placed != "tf_crop_and_resize"  # which has a fill of its own
    return True


def input_at(node: ir.Node, index: int) -> ir.Value | None:
    """Return an input, None if it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None
