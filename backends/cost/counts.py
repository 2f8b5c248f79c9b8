"""Counts of a layer: the operators that it takes and the bits that it stores, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from n2uqc.passes.program.operation import OperationCount

LOW_BITS = 8
"""Codes of up to this width count as low-bit; wider operands are fixed point."""


@dataclass(frozen=True)
class MacCounts:
    """A convolution as one matrix-vector product of ``rows`` x ``depth`` per position.

    Attributes:
        name, origin: the operation's output and ONNX nodes.
        positions: output vectors V per image.
        rows, depth: matrix height MH (output channels) and width MW (kh*kw*inputs/groups).
        groups: of the convolution.
        activation_bits, weight_bits: of the codes that choose the operands, or of the operands.
        operand_bits, stored_bits: of an activation and a weight as they are stored and multiplied:
            the datapath keeps levels, not their codes.
        accumulator: narrowest width of the proven range.
        low_bit: whether the operands are codes of a low-bit quantizer and low-bit weights.
        input_elements: elements of the input map.
    """

    name: str
    origin: tuple[str, ...]
    positions: int
    rows: int
    depth: int
    groups: int
    activation_bits: int
    weight_bits: int
    operand_bits: int
    stored_bits: int
    accumulator: int
    low_bit: bool
    input_elements: int

    @property
    def macs(self) -> int:
        """Multiplications per image, and as many additions (padding is computed, so it counts)."""
        return self.positions * self.rows * self.depth

    @property
    def uneven(self) -> bool:
        """Whether codes stand for uneven levels, which are wider than the codes."""
        wider = self.operand_bits > self.activation_bits or self.stored_bits > self.weight_bits
        return self.low_bit and wider

    @property
    def weight_storage(self) -> int:
        return self.rows * self.depth * self.stored_bits


@dataclass(frozen=True)
class QuantizerCounts:
    """A comparison table over a map of ``positions`` x ``channels``.

    Attributes:
        width: bits of the operand.
        bits: bits of the code.
        live: per channel, the number of bounds that the operand can pass (below its largest value).
        steps: comparators of a lane that can serve any channel; in a monotone table they include
            comparisons that are always true, which replace a base code.
        shape: ``rising`` if every channel counts up, ``monotone`` if some count down, else
            ``mixed``.
        bent: whether the code of some channel both rises and falls, because of a PReLU with a
            negative slope.
        attached: whether it reads a convolution's accumulators directly.
    """

    name: str
    origin: tuple[str, ...]
    positions: int
    channels: int
    width: int
    bits: int
    live: tuple[int, ...]
    steps: int
    shape: Literal["rising", "monotone", "mixed"]
    bent: bool
    attached: bool

    @property
    def compares(self) -> int:
        """Comparisons per image whose bound can be passed."""
        return self.positions * sum(self.live)


@dataclass(frozen=True)
class ElementwiseCounts:
    """An operation on the fixed-point (wide) stream, the same in every alternative.

    Attributes:
        kind: mnemonic of the operation.
        window: positions read for one result (1, or a pool's kernel); for a lookup, entries of its
            table, for a function its pieces.
        width: bits of the widest operand or result.
        multiplier: bits of the per-channel multiplier, or of the second factor; 0 without one.
        word: parameter bits per channel.
        attached: whether it reads a convolution's accumulators directly.
        operand: bits of its input.
        each: additions and comparisons of one element.
    """

    name: str
    origin: tuple[str, ...]
    kind: str
    positions: int
    channels: int
    window: int
    width: int
    multiplier: int
    word: int
    attached: bool
    operand: int
    each: OperationCount

    @property
    def elements(self) -> int:
        return self.positions * self.channels

    @property
    def multiplies(self) -> int:
        return self.elements if self.multiplier else 0

    @property
    def adds(self) -> int:
        """Additions: of two streams or a window, bias and rounding of a requantization,
        PReLU's bias.
        """
        return self.elements * self.each.adds

    @property
    def compares(self) -> int:
        """Comparisons: two to saturate, one more for PReLU,
        one per further position of a maximum.
        """
        return self.elements * self.each.compares


@dataclass(frozen=True)
class LayerCounts:
    """A convolution and the operations after it up to the next ones;
    ``mac`` is None before the first.
    """

    name: str
    origin: tuple[str, ...]
    mac: MacCounts | None
    quantizers: tuple[QuantizerCounts, ...]
    others: tuple[ElementwiseCounts, ...]
