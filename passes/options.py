"""The options of a user for the fixed-point parts of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError

from .pixels import Pixels, numbers, pixels_text, stated_pixels
from .program.named import Batch, samples

PRECISIONS: Mapping[str, tuple[int | None, int | None, int]] = MappingProxyType(
    {
        "exact": (None, None, 16),
        "balanced": (32, 16, 16),
        "small": (16, 8, 8),
    }
)
"""Residual, stem and head bits by name of the precision; None: 32 and 24,
or more if the network needs more.

``exact`` promises outputs within 1e-3 (``checks.promise``); if it cannot, a warning says so.
Measured on trained 2-bit networks: at ``exact`` no activation code differs from exact arithmetic;
``balanced`` flips about 0.1% of the codes, ``small`` several percent.
"""

STREAM_BITS = 32, 56
OPERAND_BITS = 24, 31
"""Least and most bits of tensors whose width the user does not choose."""

INTEGER_HEADS = "integer_heads"
"""Key of a program's metadata: it computes the functions behind its last layer."""
_OPEN, _CALIBRATION = "as needed", "calibration"  # in a program's metadata
_MOST_MARGIN = 1000
HEAD_BITS, MOST_HEAD_BITS = 16, 26
_LIMITS = {"residual_bits": (8, 56), "stem_bits": (8, 32), "head_bits": (8, MOST_HEAD_BITS)}
LEVEL_BITS = 4, 26
"""Least and most bits of the integers that represent nonuniform levels; sums of thousands of
products of two such integers fit the 64 bits of an accumulator.
"""
_ACCUMULATOR_BITS = 61


def width_limits(name: str) -> tuple[int, int]:
    """Return the least and the greatest width that an option takes."""
    return {**_LIMITS, "level_bits": LEVEL_BITS}[name]


def require_width(name: str, value: object, limit: str = "residual_bits") -> None:
    """Check that a width is in the range of an option.

    Raises:
        CompileError: it is not; the message states the range.
    """
    low, high = width_limits(limit)
    if not isinstance(value, int | np.integer) or not low <= value <= high:
        raise CompileError(f"{name} is {value}; it takes {low}..{high}")


@dataclass(frozen=True, repr=False)
class Options:
    """Widths and ranges of the tensors that N2UQ leaves real-valued.

    Attributes:
        residual_bits: skip stream, signed fixed point, 8 to 56; None: 32, or more if the network
            compares so many values that rounding to 32 bits would flip codes (``expected_flips``).
        stem_bits: weights and inputs of convolutions that are not quantized, 8 to 32; None: 24, or
            more if the stream has more. From 24 bits on, inputs from the skip stream keep their
            width.
        head_bits: weights of the last fully connected layer, 8 to 26.
        level_bits: integers that represent nonuniform levels of codes and weights, if the levels
            are not commensurable (``exact.levels``), 4 to 26; None: as many as ``stem_bits``.
        input_range: (least, greatest) real value of the model's input; other values are clamped
            with a warning. Not used if calibration data is given.
        pixels: raw 8-bit images instead of real ones, of the only input or of inputs by name;
            ``input_range`` is for the others.
        calibration: images in the form that the program will read, (N, C, H, W), real or uint8;
            by name where there are several inputs.
            Fixed-point formats are then fitted to the values that occur, with ``margin``, instead
            of to the worst case.
        margin: factor over the largest magnitude that occurs, 1 to 1000.
        extra_bits: additional bits for every width that the user does not choose, and for a head of
            16 bits or more; set by ``load`` if the outputs need them.
        equalize: whether channels are scaled to similar size (``fixed_point.equalize``); set by
            ``load`` if the outputs need it.
        widths: widths of single tensors and weights by name, which override the three above
            (``formats.Formats.widths`` has the names).
        integer_heads: whether Softmax, LogSoftmax, Sigmoid and roots behind the last layer are
            computed by the program, in fixed point with a proven bound; else by the host.
    """

    residual_bits: int | None = None
    stem_bits: int | None = None
    head_bits: int = HEAD_BITS
    level_bits: int | None = None
    input_range: tuple[float, float] = (-8.0, 8.0)
    pixels: Pixels | Mapping[str, Pixels] | None = None
    calibration: Batch | None = None
    margin: float = 1.25
    extra_bits: int = 0
    equalize: bool = False
    widths: Mapping[str, int] = field(default_factory=dict)
    integer_heads: bool = False

    def __repr__(self) -> str:
        """State what differs from the defaults; of calibration images, their number."""
        chosen = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("calibration", "widths") and getattr(self, f.name) != f.default
        }
        shown = [f"{name}={value!r}" for name, value in chosen.items()]
        if self.calibration is not None:
            shown.append(f"calibration=<{samples(self.calibration)} images>")
        if self.widths:
            shown.append(f"widths=<{len(self.widths)} tensors>")
        return f"Options({', '.join(shown)})"

    def __post_init__(self) -> None:
        for name in _LIMITS:
            if getattr(self, name) is not None:
                require_width(f"--{name.replace('_', '-')}", getattr(self, name), name)
        if self.level_bits is not None:
            require_width("--level-bits", self.level_bits, "level_bits")
        for name, value in self.widths.items():
            require_width(f"the width of {name}", value)
        low_value, high_value = self.input_range
        if not (np.isfinite(self.input_range).all() and low_value < high_value):
            raise CompileError(
                f"--input-range is {low_value},{high_value}; it takes two finite numbers LO,HI "
                "with LO < HI"
            )
        if not 1 <= self.margin <= _MOST_MARGIN:
            raise CompileError(f"--margin is {self.margin}; it takes 1..{_MOST_MARGIN}")
        if self.calibration is not None:
            for name, data in self._calibration_arrays().items():
                raw = self.pixels is not None
                if isinstance(self.pixels, Mapping):
                    raw = name in self.pixels
                if data.dtype != np.uint8 and (raw or data.dtype.kind != "f"):
                    images = "uint8 images" + ("" if raw else ", or real ones, float32 or float64")
                    raise CompileError(f"calibration data of dtype {data.dtype}; it takes {images}")
                if data.size == 0 or not np.isfinite(data).all():
                    fault = "values that are not finite" if data.size else "no images"
                    raise CompileError(f"calibration data with {fault}")

    @classmethod
    def preset(cls, precision: str, **changes: Any) -> Options:
        """Return the options of a named precision, with changes.

        Raises:
            CompileError: the precision is unknown, or a value is outside its range.
        """
        if precision not in PRECISIONS:
            raise CompileError(f"--precision {precision}: there are {', '.join(PRECISIONS)}")
        residual, stem, head = PRECISIONS[precision]
        return replace(
            cls(residual_bits=residual, stem_bits=stem, head_bits=head),
            **{k: v for k, v in changes.items() if v is not None},
        )

    @property
    def code_level_bits(self) -> int:
        """Width of the integers that represent a codebook's levels."""
        open_bits = (self.stem_bits or OPERAND_BITS[0]) + self.extra_bits
        return min(self.level_bits or open_bits, LEVEL_BITS[1])

    def weight_level_bits(self, taps: int) -> int:
        """Return the width of the integers that represent levels of weights,
        for sums of ``taps`` products.
        """
        room = _ACCUMULATOR_BITS - self.code_level_bits - taps.bit_length()
        return min(self.code_level_bits, room)

    def _calibration_arrays(self) -> dict[str, NDArray[Any]]:
        given = (
            self.calibration if isinstance(self.calibration, Mapping) else {"": self.calibration}
        )
        return {name: np.asarray(data) for name, data in given.items()}

    def real_input_range(self) -> tuple[float, float]:
        """Return the range of the real input, from the calibration data if there is any."""
        if self.calibration is None:
            return self.input_range
        real = [data for data in self._calibration_arrays().values() if data.dtype.kind == "f"]
        if not real:
            return self.input_range
        ends = [(float(data.min()), float(data.max())) for data in real]
        low = self.margin * min(0.0, *(low for low, _ in ends))
        high = self.margin * max(0.0, *(high for _, high in ends))
        return (low, high) if low < high else self.input_range

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Options:
        """Return the options that a program's metadata states.

        Raises:
            CompileError: they are incomplete (calibration images are not stored) or invalid.
        """
        if _CALIBRATION in facts or not facts.keys() >= _LIMITS.keys():
            raise CompileError(
                "the program does not say all it was compiled with: calibration images are not kept"
            )
        try:
            return cls._from_facts(facts)
        except (ValueError, KeyError, OverflowError, TypeError, AttributeError, RecursionError):
            raise CompileError(
                "the program's metadata states its precision in a way that n2uqc does not write"
            ) from None

    @classmethod
    def _from_facts(cls, facts: Mapping[str, str]) -> Options:
        chosen: dict[str, Any] = {
            name: None if facts[name] == _OPEN else int(facts[name]) for name in _LIMITS
        }
        if "pixels" in facts:
            chosen["pixels"] = stated_pixels(facts["pixels"])
        if not isinstance(chosen.get("pixels"), Pixels):
            low, high = numbers(facts["input_range"])
            chosen["input_range"] = low, high
        if "level_bits" in facts:
            chosen["level_bits"] = int(facts["level_bits"])
        chosen["extra_bits"] = int(facts.get("extra_bits", 0))
        chosen["equalize"] = "equalize" in facts
        chosen["integer_heads"] = INTEGER_HEADS in facts
        pairs = (pair.rpartition("=") for pair in facts.get("widths", "").split(",") if pair)
        return cls(**chosen, widths={name: int(bits) for name, _, bits in pairs})

    def facts(self) -> dict[str, str]:
        """Return the options as metadata of a program."""
        stated = {name: str(getattr(self, name) or _OPEN) for name in _LIMITS}
        if not isinstance(self.pixels, Pixels):
            stated["input_range"] = ",".join(repr(v) for v in self.real_input_range())
        if self.pixels is not None:
            stated["pixels"] = pixels_text(self.pixels)
        if self.level_bits is not None:
            stated["level_bits"] = str(self.level_bits)
        if self.extra_bits:
            stated["extra_bits"] = str(self.extra_bits)
        if self.equalize:
            stated["equalize"] = "yes"
        if self.integer_heads:
            stated[INTEGER_HEADS] = "yes"
        if self.widths:
            stated["widths"] = ",".join(f"{k}={v}" for k, v in self.widths.items())
        if self.calibration is not None:
            stated[_CALIBRATION] = f"{samples(self.calibration)} images, margin {self.margin!r}"
        return stated


def without_calibration(facts: Mapping[str, str]) -> dict[str, str]:
    """Return metadata with calibrated ranges as if the user had chosen them.

    Options from this metadata read images in the same way as the program.
    """
    return {name: text for name, text in facts.items() if name != _CALIBRATION}
