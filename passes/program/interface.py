"""How a Program meets its user: names and shapes outside, pixels or real numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interface:
    """How a program meets its user.

    Attributes:
        input, output: names in the ONNX model (for messages).
        input_shape, output_shape: ONNX shapes of one sample, batch excluded: (C, H, W), (C, L),
            (F,), or any other of as many elements, in the program's order once it is reshaped.
        pixels: the input takes raw uint8 images instead of real ones.
        input_channels_last, output_channels_last: (H, W, C) there, as in the program.
    """

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    pixels: bool = False
    input_channels_last: bool = False
    output_channels_last: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of its true options, as program text has them."""
        names = ("pixels", "input_channels_last", "output_channels_last")
        return tuple(name for name in names if getattr(self, name))
