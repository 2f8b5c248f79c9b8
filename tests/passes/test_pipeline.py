"""The whole pipeline on random networks, against exact and against real arithmetic."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from n2uqc.frontend.load import load_graph
from n2uqc.passes import Options, compile_graph
from n2uqc.passes.exact.constant_channels import kept_channels, removed_codes
from n2uqc.passes.importing.channels_last import channels_last
from n2uqc.passes.importing.from_graph import import_graph
from n2uqc.passes.pixels import Pixels
from n2uqc.passes.program import IntType, dump, quantize_input, trace, verify

from ..frontend.networks import build
from ..properties.networks import networks


@settings(max_examples=40, deadline=None)
@given(networks())
def test_every_network_lowers_to_a_legal_program(case) -> None:
    model, images = case
    program = compile_graph(model)
    verify(program)
    values = trace(program, quantize_input(program, images))  # checks every proven range
    assert values[program.output].shape[0] == len(images)
    assert not any(word in dump(program) for word in ("real", "affine", "sqrt"))


@settings(max_examples=40, deadline=None)
@given(
    networks(),
    st.sampled_from(
        [
            (32, 24, 16),
            (32, 24, 16),
            (32, 16, 16),
            (16, 8, 8),
            (32, 8, 8),
            (24, 26, 10),
            (12, 8, 24),
        ]
    ),
)
def test_fixed_point_error_stays_in_its_bound(case, bits) -> None:
    """Given equal codes, every fixed-point tensor lies within its stated error of the real one."""
    model, images = case
    residual, stem, head = bits
    program = compile_graph(model, Options(residual_bits=residual, stem_bits=stem, head_bits=head))
    values = trace(program, quantize_input(program, images))
    real = channels_last(import_graph(model))
    exact: dict[str, np.ndarray] = {real.input: images.astype(np.float64).transpose(0, 2, 3, 1)}
    checked = 0
    for op in real.ops:
        inputs = []
        for name in op.inputs:
            kind = real.types[name]
            scale = float(kind.scale) if isinstance(kind, IntType) else 1.0
            inputs.append(exact[name] * scale)
        exact[op.output] = op.execute(inputs, real.constants)
        kind = program.types.get(op.output)
        if kind is None:
            continue
        if op.mnemonic == "quantize":  # teacher forcing: equal codes from here
            kept = kept_channels(program, op.output, exact[op.output].shape[3])
            channels = exact[op.output].shape[3]
            forced = np.zeros_like(exact[op.output]) + removed_codes(program, op.output, channels)
            forced[..., kept] = values[op.output]
            exact[op.output] = forced
        elif kind.scale is not None:
            got = values[op.output] * float(kind.scale)
            off = np.abs(got - exact[op.output]).max()
            assert off <= float(kind.error) + 1e-9 * (1 + np.abs(got).max()), (op, off)
            checked += 1
    assert checked > 0


@given(st.floats(0, 4, width=32), st.floats(5, 12, width=32), st.sampled_from([8, 12, 32]))
@settings(max_examples=25, deadline=None)
def test_clips_between_two_integers_state_their_error(low: float, high: float, bits: int) -> None:
    """The input is exact pixels, so that the only error is the rounding of the bounds."""
    graph = load_graph(build("[clip] y = Clip (x, lo, hi)", {"lo": low, "hi": high}))
    options = Options(residual_bits=bits, stem_bits=bits, pixels=Pixels(1 / 16))
    program = compile_graph(graph, options)
    kind = program.types[program.output]
    assert isinstance(kind, IntType) and kind.scale is not None and kind.error is not None
    images = np.resize(np.arange(0, 256, 8, np.uint8), (1, 2, 4, 4))
    got = trace(program, quantize_input(program, images))[program.output] * float(kind.scale)
    exact = np.clip(images / 16, low, high).transpose(0, 2, 3, 1)
    assert np.abs(got - exact).max() <= float(kind.error)
