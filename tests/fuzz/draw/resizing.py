"""Larger and smaller maps: transposed convolution, and Resize."""

from __future__ import annotations

from .graph_builder import Network
from .layers import affine, quantizer


def transposed(b: Network, x: str) -> str:
    """Add a transposed convolution with any group, stride, padding and output padding."""
    x = quantizer(b, x) if b.chance(0.6) else x
    channels, height, width = b.shape[x]
    groups = b.source.choice((1, 1, channels, *(g for g in (2, 3) if channels % g == 0)))
    each = b.source.choice((1, 2)) if groups > 1 else b.source.choice((1, 2, 3))
    kernel, stride = b.source.choice(((2, 2), (3, 2), (4, 2), (3, 1), (1, 2), (2, 1), (5, 3)))
    dilation = b.source.choice((1, 1, 1, 1, 2))
    pads = [b.source.randint(0, (kernel - 1) // 2) for _ in range(4)]
    if b.chance(0.6):
        pads = [(kernel - 1) // 2] * 4
    more = b.source.randrange(stride) if b.chance(0.4) else 0
    size = [
        stride * (n - 1) + more + dilation * (kernel - 1) + 1 - pads[k] - pads[k + 2]
        for k, n in ((0, height), (1, width))
    ]
    if min(size) < 1:
        return x
    shape = (channels, each, kernel, kernel)
    values = b.rng.normal(0, 0.4, shape)
    if b.chance(0.6):
        steps = (channels, 1, 1, 1) if b.chance(0.3) else (1, each, 1, 1)
        values = b.rng.integers(-3, 4, shape) * b.uniform(0.05, 0.5, steps)
    inputs = [x, b.array(values)]
    if b.chance(0.4):
        inputs.append(b.array(b.uniform(-0.5, 0.5, each * groups)))
    fields = {"strides": [stride] * 2, "pads": pads, "dilations": [dilation] * 2, "group": groups}
    if more:
        fields["output_padding"] = [more] * 2
    y = b.node("ConvTranspose", inputs, (each * groups, *size), kernel_shape=[kernel] * 2, **fields)
    return affine(b, y) if b.chance(0.4) else y


def resize(b: Network, x: str) -> str:
    """Add a Resize to nearest or between neighbors, by scales or to sizes."""
    channels, height, width = b.shape[x]
    scales = b.source.choice(((2, 2), (2, 2), (1, 2), (3, 1), (1.5, 1), (0.5, 0.5), (1, 1.25)))
    size = [int(n * s) for n, s in zip((height, width), scales, strict=True)]
    if min(size) < 1 or (*size,) == (height, width):  # ONNX Runtime copies what keeps its size
        return x
    shape = (channels, *size)
    if b.chance(0.5):
        how = b.source.choice(("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"))
        fields = {"mode": "linear", "coordinate_transformation_mode": how}
    else:
        how = b.source.choice(("half_pixel", "asymmetric", "asymmetric"))
        fields = {"mode": "nearest", "coordinate_transformation_mode": how}
        fields["nearest_mode"] = b.source.choice(
            ("floor", "floor", "round_prefer_floor", "round_prefer_ceil", "ceil")
        )
    return b.node("Resize", [x, "", b.array([1, 1, *scales])], shape, **fields)
