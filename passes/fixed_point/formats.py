"""Choose the width and the scale of each real tensor that gets a fixed-point format."""

from __future__ import annotations

import numpy as np

from n2uqc.frontend.diagnostics import CompileError

from ..options import (
    HEAD_BITS,
    MOST_HEAD_BITS,
    OPERAND_BITS,
    STREAM_BITS,
    Options,
    require_width,
)
from ..program import Op, Program
from ..program.operation import Outside
from ..program.ops.real import (
    Affine,
    Interval,
    RealAdd,
    RealClip,
    RealConcat,
    RealConv,
    RealFlatten,
    RealFunction,
    RealMaxPool,
    RealMultiply,
    RealPRelu,
    RealRearrange,
    floats,
)
from ..program.types import IntType
from .calibrate import seen_ranges
from .expected_flips import comparison_density, wanted_fraction_bits
from .groups import scale_groups
from .merged_operations import MergedOperations
from .multipliers import MULTIPLIER_BITS
from .real_ranges import real_ranges, require_bounded

SAME_SCALE = (
    RealAdd,
    RealClip,
    RealConcat,
    RealFlatten,
    RealMaxPool,
    RealPRelu,
    RealRearrange,
)
"""Operations whose result has the scale of their inputs."""

_LEAST_REACH = 2.0**-149
"""The smallest positive float32: the trained network could not represent anything below it."""


class Formats(MergedOperations):
    """The formats of the tensors of one program.

    Attributes:
        density, wanted: the results of ``expected_flips``: codes flipped per unit of error, and the
            fraction bits at which rounding flips none; for widths that the user leaves open.
        fraction_bits: fraction bits of each.
        bits: width of each, sign included.
        widths: adjustable widths by name: the input's, each group's that shares a scale (by its
            first tensor), and each unquantized convolution's weights (``NAME.weight``).
        lifted: whether an affine map too steep for one multiplier becomes two operations.
    """

    def __init__(self, program: Program, options: Options) -> None:
        super().__init__(program)
        self.options = options
        self.ranges = self._ranges()
        self.bits: dict[str, int] = {}
        self.widths: dict[str, int] = {}
        self.density = comparison_density(program, self.needed)
        self.wanted = wanted_fraction_bits(self.density) + options.extra_bits
        # More bits than one multiplier gives are worth one more operation, if ranges are proven.
        self.lifted = options.extra_bits > 0 and options.calibration is None
        self.fraction_bits = self._fraction_bits()

    def _same_scale(self, name: str) -> list[str]:
        """Return the operands whose scale a tensor shares."""
        op = self.producers.get(name)
        if op is None or not (isinstance(op, SAME_SCALE) or self.unit_prelu(op)):
            return []
        return [s for s in self.sources(op) if s in self.needed and s not in self.program.inputs]

    def _fraction_bits(self) -> dict[str, int]:
        """Choose the fraction bits of every formatted tensor, once for all that share a scale.

        Sums, activations and maxima keep the scale of what they read, so a whole residual stage
        has one; affine maps and convolutions begin a new one.
        """
        order = [*self.program.inputs, *(op.output for op in self.program.ops)]
        sources = {name: self._same_scale(name) for name in self.needed}
        # These select or move values and round none.
        moves = RealMaxPool | RealFlatten | RealRearrange
        bound = frozenset(n for n in self.needed if isinstance(self.producers.get(n), moves))
        most = {name: self._most(name) for name in self.needed}
        sorted_groups = scale_groups(
            [name for name in order if name in self.needed], sources, most, bound
        )
        places: dict[str, int] = {}
        for group in sorted_groups:
            if group[0] in self.program.inputs:  # shares its scale with nothing
                places[group[0]] = self.input_places(self.width(group[0], self.input_bits))
                continue
            reach = max(self._most(name) for name in {*group, *self._aligned(group)})
            # Tensors that only unquantized convolutions read need no more than those inputs' width.
            narrow = all(isinstance(r, RealConv) for n in group for r in self.readers[n])
            compared = any(not isinstance(r, Outside) for n in group for r in self.readers[n])
            limits, chosen = (
                (OPERAND_BITS, self.options.stem_bits)
                if narrow
                else (STREAM_BITS, self.options.residual_bits)
            )
            bits = self.width(
                group[0],
                chosen or (self._enough(reach, *limits) if compared or self.lifted else limits[0]),
            )
            places.update(dict.fromkeys(group, self._fit(reach, bits)))
            self.bits.update(dict.fromkeys(group, bits))
        changed = True
        for _ in sorted_groups:  # an affine map may lead from any group to any other, and back
            if not changed:
                break
            changed = False
            for group in sorted_groups:  # in program order: a chain of maps settles in one round
                finest = self._finest(group, places)
                if finest < places[group[0]]:
                    places.update(dict.fromkeys(group, finest))
                    changed = True
        return places

    def _enough(self, most: float, least: int, limit: int) -> int:
        """Return the bits that hold ``most`` with the wanted fraction bits, within the limits."""
        bits = range(least, limit)
        return next((b for b in bits if self._fit(most, b) >= self.wanted), limit)

    def _finest(self, group: list[str], places: dict[str, int]) -> int:
        """Return the most fraction bits that the 32-bit multipliers of a group's maps allow.

        Tensors from outside that are brought to the group's scale (the input, codes) are
        multiplied, too.
        """
        limits = [1 << 10]
        if self.lifted:
            return limits[0]
        members = set(group)
        for op in (self.producers[n] for n in group if n in self.producers):
            steepest = 1.0
            if isinstance(op, RealMultiply) or (isinstance(op, RealFunction) and op.is_square):
                limits.append(self._finest_product(op, places))
                continue
            if isinstance(op, Affine) and not self.unit_prelu(op):
                if self.unit_conv(op):
                    continue
                steepest = float(np.abs(floats(op.slope)).max())
            elif not (isinstance(op, SAME_SCALE) or self.unit_prelu(op)):
                continue
            for name in self.sources(op):
                if name not in members:  # within the group, any scale will do
                    unit = self._unit(name, places)
                    limits.append(MULTIPLIER_BITS - int(np.frexp(steepest * unit)[1]))
        return min(limits)

    def _finest_product(self, op: Op, places: dict[str, int]) -> int:
        """Return the most fraction bits of a product of two tensors, of ``STREAM_BITS[0]`` bits."""
        first, second = op.inputs[0], op.inputs[-1]  # of a square one
        unit = self._unit(first, places) * self._unit(second, places)
        most = self._most(first) * self._most(second)
        coarse = max(unit, most * 2.0 ** (3 - STREAM_BITS[0]))  # narrowed at worst
        return MULTIPLIER_BITS - 1 - int(np.frexp(coarse)[1])

    def _unit(self, name: str, places: dict[str, int]) -> float:
        """Return the real value of the last bit of an operation's input, a magnitude."""
        tensor_type = self.program.types[name]
        if isinstance(tensor_type, IntType):
            return float(tensor_type.unit)
        return 2.0 ** -places[name]

    def input_places(self, bits: int) -> int:
        """Return the fraction bits of the real input at a width.

        They follow from the range's power of two, so that common ranges (1, 8) get exact fractions.
        """
        reach = max(map(abs, self.options.real_input_range()))
        return bits - 1 - int(np.ceil(np.log2(reach)))

    @property
    def input_bits(self) -> int:
        """Return the width of the real input, in bits."""
        reach = max(map(abs, self.options.real_input_range()))
        return self.options.stem_bits or self._enough(reach, *OPERAND_BITS)

    @property
    def weight_bits(self) -> int:
        """Return the width of the weights of unquantized convolutions other than the last layer."""
        return self.options.stem_bits or self._enough(1.0, *OPERAND_BITS)

    @property
    def head_bits(self) -> int:
        """Return the width of the last layer's weights, in bits."""
        chosen = self.options.head_bits
        extra = self.options.extra_bits if chosen >= HEAD_BITS else 0
        return min(MOST_HEAD_BITS, chosen + extra)

    def width(self, key: str, default: int) -> int:
        """Return the width for an adjustable name: the user's choice, or the preset's."""
        self.widths[key] = self.options.widths.get(key, default)
        return self.widths[key]

    def weight_width(self, layer: str, default: int) -> int:
        """Return the width of an unquantized convolution's weights, by the name of its result.

        Raises:
            CompileError: the user chose one that weights cannot have.
        """
        key = f"{layer}.weight"
        bits = self.width(key, default)
        require_width(f"the width of {key}", bits, "stem_bits")
        return bits

    def is_head(self, conv: RealConv, name: str) -> bool:
        """Tell whether a layer (its unit's result ``name``) is the last, on a 1x1 map."""
        one = self.program.types[conv.output].shape[:2] == (1, 1) and not any(conv.pads)
        return one and name in self.program.outputs

    def check_widths(self) -> None:
        """Refuse widths for names that are not adjustable (after all were asked for).

        Raises:
            CompileError: naming them, and what there is.
        """
        unknown = sorted(set(self.options.widths) - set(self.widths))
        if unknown:
            raise CompileError(
                f"no fixed-point width is called {', '.join(unknown)}; there are "
                f"{', '.join(self.widths)}"
            )

    def _aligned(self, group: list[str]) -> set[str]:
        """Return what sums and PReLUs of a group read at its scale, input and codes included.

        Their results may be smaller than what they read; clips only cut off what is larger.
        """
        operands: set[str] = set()
        for op in (self.producers[n] for n in group if n in self.producers):
            if isinstance(op, RealAdd | RealPRelu) or self.unit_prelu(op):
                operands.update(self.sources(op))
        return operands

    def _most(self, name: str) -> float:
        """Return the greatest magnitude of a tensor, and of what a PReLU's trailing bias reads."""
        op = self.producers.get(name)
        inner = self.unit_prelu(op) if op is not None else None
        extra = self._most(inner.output) if inner is not None else 0.0
        return max(float(self.ranges[name].most.max()), extra)

    @staticmethod
    def _fit(most: float, bits: int) -> int:
        """Return the most fraction bits with which ``most``, rounded, fits ``bits`` signed."""
        if most == 0.0:
            return bits - 2
        room = ((1 << (bits - 1)) - 4) / (max(most, _LEAST_REACH) * (1 + 2.0**-20))
        return int(np.floor(np.log2(room)))

    def side_of_zero(self, name: str) -> tuple[float, float]:
        """Return what a tensor is never below and above, if all its channels are on one side of 0.

        Infinite elsewhere: ends of calibrated ranges are no bounds.
        """
        ends = self.ranges[name]
        least, most = float(ends.lo.min()), float(ends.hi.max())
        return (least if least >= 0 else -np.inf), (most if most <= 0 else np.inf)

    def _ranges(self) -> dict[str, Interval]:
        """Return proven intervals, narrowed to the calibrated ranges and a margin."""
        ranges = real_ranges(self.program, self.options.real_input_range())
        if self.options.calibration is not None:
            seen = seen_ranges(self.program, self.options.calibration)
            for name, (low, high) in seen.items():
                reach = self.options.margin * max(abs(low), abs(high))
                ends = ranges[name]
                ranges[name] = Interval(np.maximum(ends.lo, -reach), np.minimum(ends.hi, reach))
        for name, ends in ranges.items():
            if self.is_real(name):
                require_bounded(name, ends, self.producers.get(name))
        return ranges
