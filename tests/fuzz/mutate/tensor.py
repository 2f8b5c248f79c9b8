"""Damage of a parameter: its values, sizes, type and bytes."""

from __future__ import annotations

import random

import numpy as np
from onnx import TensorProto, numpy_helper

_EXTREMES = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.5,
    3.1,
    1e-30,
    1e-45,
    1e9,
    1e20,
    3.4e38,
    np.inf,
    -np.inf,
    np.nan,
)


def damaged_tensor(tensor: TensorProto, source: random.Random) -> None:
    """Changes one thing in place."""
    form = source.random()
    if form < 0.55:
        _values(tensor, source)
    elif form < 0.7:
        sizes = (0, 1, 2, 3, 5, -1, 7, 1000, 2**31, 2**40, 2**62)
        if tensor.dims and source.random() < 0.7:
            tensor.dims[source.randrange(len(tensor.dims))] = source.choice(sizes)
        elif tensor.dims and source.random() < 0.5:
            del tensor.dims[-1]
        else:
            tensor.dims.append(source.choice(sizes))
    elif form < 0.8:
        tensor.data_type = source.choice((*range(24), 100))
    elif form < 0.9:
        _bytes(tensor, source)
    else:
        _external(tensor, source)


def _values(tensor: TensorProto, source: random.Random) -> None:
    """Some or all values, or the layout, other than they were; type and name stay."""
    try:
        array = np.array(numpy_helper.to_array(tensor))
    except Exception:  # damaged before
        return
    if array.dtype.kind not in "fiu" or array.size > 100_000:
        return
    flat = array.reshape(-1)
    form = source.random()
    with np.errstate(all="ignore"):
        if form < 0.25 and flat.size:
            flat[source.randrange(flat.size)] = _value(array, source)
        elif form < 0.4:
            flat[:] = _value(array, source)
        elif form < 0.55:
            flat[:] = flat[::-1].copy()
        elif form < 0.7 and array.dtype.kind == "f":
            flat *= array.dtype.type(source.choice((-1, 1e-3, 1e3, 1e-20, 1e20, 0, 1.1)))
        elif form < 0.8 and array.ndim:
            array = source.choice((array[:-1], np.concatenate([array, array[:1]]), array[None]))
        elif form < 0.9:
            array = array.reshape(-1)[:1].reshape(()) if flat.size else array
        else:
            array = array.astype(source.choice((np.float64, np.float16, np.int64, np.int8)))
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def _value(array: np.ndarray, source: random.Random) -> object:
    value = source.choice(_EXTREMES)
    if array.dtype.kind == "f":
        return array.dtype.type(value)
    limits = np.iinfo(array.dtype)
    return source.choice((0, 1, limits.max, limits.min, 2, 3))


def _bytes(tensor: TensorProto, source: random.Random) -> None:
    if tensor.raw_data:
        size = source.randrange(len(tensor.raw_data))
        longer = tensor.raw_data + tensor.raw_data[:size]
        tensor.raw_data = source.choice((tensor.raw_data[:size], longer, b""))
    elif tensor.float_data:
        del tensor.float_data[source.randrange(len(tensor.float_data))]
    if source.random() < 0.2:
        tensor.float_data.append(1.0)
    if source.random() < 0.2:
        tensor.int64_data.append(2**40)


def _external(tensor: TensorProto, source: random.Random) -> None:
    """Data in a file that is not there, or must not be read."""
    tensor.data_location = TensorProto.EXTERNAL
    paths = ("weights.bin", "../x", "/etc/hostname", "", "\0", "model.onnx", "a" * 5000)
    for key, values in (
        ("location", paths),
        ("offset", ("0", "-1", "9" * 30, "x")),
        ("length", ("4", "-1", "9" * 30, "", str(1 << 31))),
    ):
        if source.random() < 0.8:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, source.choice(values)
