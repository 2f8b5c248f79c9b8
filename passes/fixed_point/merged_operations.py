"""Which operations become one in fixed point, and which tensors remain that need a format.

Operands of sums, pools, unquantized convolutions and the output need one.  A chain of affine maps
and activations that only leads to a quantizer needs none: it stays exact until it is folded into
the quantizer's table.
"""

from __future__ import annotations

from ..program import Op, Program
from ..program.ops.real import Affine, Elementwise, Quantize, RealConv, RealPRelu
from ..program.types import IntType


class MergedOperations:
    """The operations of one program as fixed point will compute them.

    An unquantized convolution takes in the affine map after it, a PReLU the bias after it.

    Attributes:
        producers: the operation that makes each tensor, by name.
        readers: the operations that read each tensor, by name.
        needed: names of the real tensors that get a format.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.producers = {op.output: op for op in program.ops}
        self.readers = program.consumers()
        self.needed = self._needed()

    def is_real(self, name: str) -> bool:
        return not isinstance(self.program.types[name], IntType)

    def unit_conv(self, op: Op) -> RealConv | None:
        """Return the unquantized convolution that ``op`` alone reads as its affine map, if any."""
        inner = self.producers.get(op.inputs[0]) if isinstance(op, Affine) else None
        single = isinstance(inner, RealConv) and len(self.readers[inner.output]) == 1
        return inner if single and isinstance(inner, RealConv) else None

    def unit_of(self, conv: Op) -> tuple[RealConv, Affine | None]:
        """Return an unquantized convolution, and the affine map that is merged into it, if any."""
        assert isinstance(conv, RealConv)
        joined = (r for r in self.readers[conv.output] if self.unit_conv(r) is conv)
        after = next(joined, None)
        return conv, after if isinstance(after, Affine) else None

    def unit_prelu(self, op: Op) -> RealPRelu | None:
        """Return the PReLU that ``op`` alone reads as its trailing bias, if any."""
        inner = self.producers.get(op.inputs[0]) if isinstance(op, Affine) else None
        if (
            isinstance(op, Affine)
            and isinstance(inner, RealPRelu)
            and len(self.readers[inner.output]) == 1
            and all(s == 1 for s in op.slope)
        ):
            return inner
        return None

    def sources(self, op: Op) -> tuple[str, ...]:
        """Return the tensors that must have a format so that ``op``'s result can have one."""
        unit = self.unit_conv(op) or self.unit_prelu(op)
        return unit.inputs if unit is not None else op.inputs

    def _needed(self) -> set[str]:
        """Return the names of the real tensors that get a format."""
        needed = set(self.program.outputs)
        for op in reversed(self.program.ops):
            if isinstance(op, Quantize):
                name = op.inputs[0]  # the chain's base
                while True:
                    link = self.producers.get(name)
                    if not isinstance(link, Elementwise) or (
                        name in needed or self.unit_conv(link)
                    ):
                        break
                    name = link.inputs[0]
                needed.add(name)
            elif op.real and (op.output in needed or not isinstance(op, Elementwise)):
                if isinstance(op, RealConv) and any(
                    self.unit_conv(r) is op for r in self.readers[op.output]
                ):
                    continue
                needed.add(op.output)
                needed.update(self.sources(op))
        return {n for n in needed if self.is_real(n)}
