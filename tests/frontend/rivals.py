"""Networks of the quantizers that N2UQ is compared with, as training code exports them.

Two quantized convolutions behind a real stem, the second optionally depthwise, with BatchNorm or
with it folded in, and a real head.  Weights are what exporters leave: folded float32 levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx
from numpy.typing import NDArray

from .networks import build

F32 = np.float32
Array = NDArray[np.float32]
CHANNELS = 8


def apot_levels(bits: int) -> Array:
    """Sums of powers of two in [0, 1] (Li et al., ICLR 2020, equation 5), k = 2, 0 included."""
    powers: list[list[float]] = [[0.0], [0.0]]
    if bits == 2:
        powers[0] += [2.0 ** -(i + 1) for i in range(3)]
    elif bits == 3:
        powers[0] += [2.0**-1, 2.0**-2, 2.0**-4]
        powers[1] += [2.0**-3]
    elif bits == 4:
        powers[0] += [2.0 ** (-2 * i - 1) for i in range(3)]
        powers[1] += [2.0 ** (-2 * i - 2) for i in range(3)]
    else:
        powers[0] += [1.0]
    values = np.array(sorted({a + b for a, b in product(*powers)}), F32)
    return values * F32(1 / values.max())


def lcq_levels(rng: np.random.Generator, bits: int) -> Array:
    """Evenly spaced numbers through an expanding function learned piece by piece (CVPR 2021)."""
    pieces = rng.dirichlet(np.full(16, 2.0)).astype(F32)
    knots = np.concatenate([[0.0], np.cumsum(pieces)]).astype(F32)
    even = np.linspace(0, 1, 2**bits)
    return np.interp(even, np.linspace(0, 1, 17), knots / knots[-1]).astype(F32)


def lqnets_levels(rng: np.random.Generator, bits: int, signed: bool) -> Array:
    """Sums of learned basis numbers, or with either sign (Zhang et al., ECCV 2018, equation 4)."""
    basis = np.sort(rng.uniform(0.2, 1, bits)).astype(F32)
    signs = (-1.0, 1.0) if signed else (0.0, 1.0)
    return np.sort([F32(np.dot(s, basis)) for s in product(signs, repeat=bits)]).astype(F32)


@dataclass(frozen=True)
class Rival:
    """How one method quantizes.

    Attributes:
        activation: from (name of x, name of y, parameter prefix, rng, bits) nodes and parameters.
        weight: rounds float32 weights [O,I,kh,kw] to its levels.
    """

    activation: Callable[..., tuple[str, dict[str, Array]]]
    weight: Callable[[np.random.Generator, Array, int], Array]


def _nearest(weights: Array, levels: Array) -> Array:
    return levels[np.abs(weights[..., None] - levels).argmin(axis=-1)]


def _signed(levels: Array) -> Array:
    return np.unique(np.concatenate([-levels, levels]))


def lsq_activation(x, y, p, rng, bits):
    """Esser et al., ICLR 2020: round(clip(x / s, 0, Q)) * s, with its straight-through parts."""
    step = F32(rng.uniform(0.6, 1.4) * 2 / (2**bits - 1))
    body = f"""{p}a = Div ({x}, {p}s) {p}q = Clip ({p}a, {p}lo, {p}hi) {p}k = Round ({p}q)
        {p}d = Sub ({p}k, {p}q) {p}e = Add ({p}d, {p}q) {y} = Mul ({p}e, {p}s)"""
    return body, {f"{p}s": step, f"{p}lo": F32(0), f"{p}hi": F32(2**bits - 1)}


def pact_activation(x, y, p, rng, bits):
    """Choi et al., 2018: clip to a learned bound, then rounded to 2**bits - 1 parts of it."""
    bound, n = F32(rng.uniform(1.5, 2.5)), 2**bits - 1
    body = f"""{p}r = Relu ({x}) {p}l = Less ({p}r, {p}c) {p}q = Where ({p}l, {p}r, {p}c)
        {p}m = Mul ({p}q, {p}up) {p}k = Round ({p}m) {y} = Mul ({p}k, {p}down)"""
    return body, {f"{p}c": bound, f"{p}up": F32(n) / bound, f"{p}down": bound / F32(n)}


def dorefa_activation(x, y, p, rng, bits):
    """Zhou et al., 2016: clip to [0, 1] and round to 2**bits - 1 parts."""
    n = F32(2**bits - 1)
    body = f"""{p}q = Clip ({x}, {p}lo, {p}hi) {p}m = Mul ({p}q, {p}n) {p}k = Round ({p}m)
        {y} = Div ({p}k, {p}n)"""
    return body, {f"{p}lo": F32(0), f"{p}hi": F32(1), f"{p}n": n}


def _selections(x, y, p, levels: Array, scale: F32):
    """Nested Where over the midpoints of levels, times a learned scale."""
    at = ((levels[1:] + levels[:-1]) / F32(2)).astype(F32)
    lines, below = [f"{p}a = Div ({x}, {p}s)"], f"{p}v0"
    for k in range(1, len(levels)):
        lines.append(f"{p}c{k} = Greater ({p}a, {p}t{k})")
        lines.append(f"{p}w{k} = Where ({p}c{k}, {p}v{k}, {below})")
        below = f"{p}w{k}"
    lines.append(f"{y} = Mul ({below}, {p}s)")
    values = {f"{p}v{k}": v for k, v in enumerate(levels)}
    return "\n".join(lines), values | {f"{p}s": scale} | {
        f"{p}t{k}": t for k, t in enumerate(at, start=1)
    }


def _nearest_of(x, y, p, levels: Array, scale: F32):
    """Distances to all levels, ArgMin, Gather, times a learned scale."""
    body = f"""{p}a = Div ({x}, {p}s) {p}u = Unsqueeze ({p}a, {p}axis)
        {p}d = Sub ({p}u, {p}book) {p}f = Abs ({p}d)
        {p}i = ArgMin <axis = -1, keepdims = 0> ({p}f) {p}g = Gather ({p}book, {p}i)
        {y} = Mul ({p}g, {p}s)"""
    return body, {f"{p}s": scale, f"{p}book": levels, f"{p}axis": np.array([-1])}


def _bucketed(x, y, p, levels: Array, scale: F32):
    """Return a sum of comparisons is the index of the table."""
    at = ((levels[1:] + levels[:-1]) / F32(2)).astype(F32)
    body = f"""{p}a = Div ({x}, {p}s) {p}u = Unsqueeze ({p}a, {p}axis)
        {p}c = Greater ({p}u, {p}t) {p}h = Cast <to = 7> ({p}c)
        {p}i = ReduceSum <keepdims = 0> ({p}h, {p}axis) {p}g = Gather ({p}book, {p}i)
        {y} = Mul ({p}g, {p}s)"""
    return body, {f"{p}s": scale, f"{p}book": levels, f"{p}t": at, f"{p}axis": np.array([-1])}


FORMS = {"where": _selections, "argmin": _nearest_of, "gather": _bucketed}


def apot_activation(x, y, p, rng, bits, form="where"):
    """Return levels that are sums of powers of two, times a learned bound."""
    return FORMS[form](x, y, p, apot_levels(bits), F32(rng.uniform(1.5, 2.5)))


def lcq_activation(x, y, p, rng, bits, form="where"):
    """Return levels of a learned companding function, times a learned bound."""
    return FORMS[form](x, y, p, lcq_levels(rng, bits), F32(rng.uniform(1.5, 2.5)))


def lqnets_activation(x, y, p, rng, bits, form="where"):
    """Sums of basis numbers, times a scale that a BatchNorm left."""
    return FORMS[form](x, y, p, lqnets_levels(rng, bits, False), F32(rng.uniform(0.5, 1.0)))


def lsq_weight(rng, weights, bits):
    step = F32(2 * np.abs(weights).mean() / np.sqrt(2 ** (bits - 1) - 0.5))
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return np.clip(np.rint(weights / step), low, high).astype(F32) * step


def dorefa_weight(rng, weights, bits):
    squeezed, n = np.tanh(weights), F32(2**bits - 1)
    half = squeezed / (F32(2) * np.abs(squeezed).max()) + F32(0.5)
    return F32(2) * (np.rint(half * n) / n).astype(F32) - F32(1)


def apot_weight(rng, weights, bits):
    if bits < 2:
        return lsq_weight(rng, weights, bits + 1)
    alpha = F32(2.5 * weights.std())
    levels = _signed(apot_levels(bits - 1)) if bits > 2 else np.array([-1, 0, 1], F32)
    return _nearest(weights / alpha, levels) * alpha


def lcq_weight(rng, weights, bits):
    alpha = F32(2.5 * weights.std())
    levels = _signed(lcq_levels(rng, bits - 1)) if bits > 1 else np.array([-0.6, 0.6], F32)
    return _nearest(weights / alpha, levels) * alpha


def lqnets_weight(rng, weights, bits):
    scale = F32(weights.std())
    rows = [_nearest(row, lqnets_levels(rng, bits, True) * scale) for row in weights]
    return np.stack(rows)


RIVALS = {
    "lsq": Rival(lsq_activation, lsq_weight),
    "pact": Rival(pact_activation, lsq_weight),
    "dorefa": Rival(dorefa_activation, dorefa_weight),
    "apot": Rival(apot_activation, apot_weight),
    "lcq": Rival(lcq_activation, lcq_weight),
    "lqnets": Rival(lqnets_activation, lqnets_weight),
}


def network(
    method: str,
    bits: int,
    seed: int = 0,
    *,
    folded: bool = False,
    depthwise: bool = False,
    skip: bool = False,
    **form: str,
) -> onnx.ModelProto:
    """Return a network of one method, images float32 [N,3,8,8], 10 outputs.

    Args:
        method: of `RIVALS`.
        bits: of codes and weights.
        seed: of its parameters.
        folded: whether BatchNorms have joined the convolutions' weights.
        depthwise: whether the second convolution is.
        skip: whether a real-valued sum goes around both.
        form: of a codebook's activation, see `FORMS`.
    """
    rng, rival, c = np.random.default_rng(seed), RIVALS[method], CHANNELS
    stem = rng.normal(0, 0.3, (c, 3, 3, 3)).astype(F32)
    values: dict[str, Array] = {"stem": stem, "bias": rng.normal(0, 0.2, c).astype(F32)}
    body = ["[stem] s0 = Conv <pads = [1,1,1,1]> (x, stem, bias)"]
    at = "s0"
    for k, groups in enumerate((1, c if depthwise else 1)):
        quantizer, more = rival.activation(at, f"q{k}", f"p{k}_", rng, bits, **form)
        weights = rng.normal(0, 1, (c, c // groups, 3, 3)).astype(F32)
        weights = rival.weight(rng, weights * F32(0.3), bits).astype(F32)
        rows = {
            "gamma": rng.uniform(0.5, 1.5, c), "beta": rng.normal(0.8, 0.3, c),
            "mean": rng.normal(0, 0.2, c), "var": rng.uniform(0.5, 3, c) * weights[0].size * 0.1,
        }  # fmt: skip
        rows = {name: row.astype(F32) for name, row in rows.items()}
        body.append(quantizer)
        values |= more
        conv = f"Conv <pads = [1,1,1,1], group = {groups}>"
        if folded:
            factor = (rows["gamma"] / np.sqrt(rows["var"] + F32(1e-5))).astype(F32)
            values[f"w{k}"] = weights * factor[:, None, None, None]
            values[f"b{k}"] = rows["beta"] - rows["mean"] * factor
            body.append(f"[conv{k}] s{k + 1} = {conv} (q{k}, w{k}, b{k})")
        else:
            values[f"w{k}"] = weights
            values |= {f"{name}{k}": row for name, row in rows.items()}
            names = ", ".join(f"{name}{k}" for name in rows)
            body.append(
                f"[conv{k}] a{k} = {conv} (q{k}, w{k})"
                f" s{k + 1} = BatchNormalization (a{k}, {names})"
            )
        at = f"s{k + 1}"
    if skip:
        body.append(f"sum = Add ({at}, s0)")
        at = "sum"
    values |= {"head": rng.normal(0, 0.3, (10, c)).astype(F32), "hb": rng.normal(0, 1, 10)}
    body.append(f"r = Relu ({at}) g = GlobalAveragePool (r) f = Flatten (g)")
    body.append("[head] y = Gemm <transB = 1> (f, head, hb)")
    return build("\n".join(body), values, "float[N,3,8,8] x")
