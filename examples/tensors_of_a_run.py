"""Every tensor of a run by name: the interpreter beside the simulated datapath."""

from __future__ import annotations

import numpy as np

import n2uqc
from n2uqc.models import data, shipped


def main() -> None:
    """Print each tensor's shape and range, and whether both executors agree on it."""
    program = n2uqc.load(shipped.path("digits_2bit"))
    x = data.digits().test.images[:4]
    reference = n2uqc.simulate(program, x, dump=True)
    hardware = n2uqc.simulate(program, x, dump=True, datapath=True)

    width = max(map(len, reference.tensors))
    for name, tensor in reference.tensors.items():
        same = "not kept"  # inside an engine, the datapath has no such tensor
        if name in hardware.tensors:
            same = "equal" if np.array_equal(hardware.tensors[name], tensor) else "DIFFERENT"
        shape = " x ".join(map(str, tensor.shape[1:]))
        print(f"{name:{width}}  {shape:12}  {tensor.min():>12,} … {tensor.max():>12,}  {same}")
    assert hardware.cycles is not None
    print(hardware.text())


if __name__ == "__main__":
    main()
