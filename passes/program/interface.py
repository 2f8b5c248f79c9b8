"""How a Program meets its user: names and shapes outside, pixels or real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.escape import plain

Item = TypeVar("Item")


@dataclass(frozen=True)
class Port:
    """An input or output as its user sees it.

    Attributes:
        name: in the ONNX model.
        shape: ONNX shape of one sample, batch excluded: (C, H, W), (C, L), (F,), or any other of
            as many elements, in the program's order once it is reshaped.
        channels_last: (H, W, C) there, as in the program.
        pixels: the input takes raw uint8 images instead of real ones.
        indices: the output's integers are indices, and stay integers outside.
    """

    name: str
    shape: tuple[int, ...]
    channels_last: bool = False
    pixels: bool = False
    indices: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of its true options, as program text has them."""
        names = "channels_last", "pixels", "indices"
        return tuple(name for name in names if getattr(self, name))


def only(items: Sequence[Item], names: Sequence[str], what: str) -> Item:
    """Return the only one of the inputs or outputs.

    Raises:
        CompileError: there are several; naming them.
    """
    if len(items) != 1:
        listed = plain(", ".join(map(repr, names)))
        raise CompileError(f"the network has {len(items)} {what}, {listed}; this takes one")
    return items[0]


@dataclass(frozen=True)
class Interface:
    """The inputs and outputs of a program, in the order of the ONNX model; at least one of each."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @classmethod
    def single(
        cls, source: str, source_shape: tuple[int, ...], result: str, shape: tuple[int, ...]
    ) -> Interface:
        """Return the interface of one input and one output, channels first."""
        return cls((Port(source, source_shape),), (Port(result, shape),))

    @property
    def input(self) -> Port:
        """The only input.

        Raises:
            CompileError: there are several.
        """
        return only(self.inputs, [port.name for port in self.inputs], "inputs")

    @property
    def output(self) -> Port:
        """The only output.

        Raises:
            CompileError: there are several.
        """
        return only(self.outputs, [port.name for port in self.outputs], "outputs")

    @property
    def is_single(self) -> bool:
        """Whether there is one input and one output."""
        return len(self.inputs) == len(self.outputs) == 1
