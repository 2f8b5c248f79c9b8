"""An AArch64 binary of an ONNX file: compile, run, compare every integer, count instructions.

Where no qemu-aarch64 is installed the binary runs in unicorn (`n2uqc[toolchain]`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import n2uqc
from n2uqc.models import data, shipped

MODEL = shipped.path("digits_2bit")
IMAGES = 20


def main() -> None:
    """Print accuracy, agreement and the dearest kernels."""
    test = data.digits().test
    x, labels = test.images[:IMAGES], test.labels[:IMAGES]

    program = n2uqc.load(MODEL)
    expected = program(x)  # the interpreter, which defines what the program means

    with tempfile.TemporaryDirectory() as folder:
        place = n2uqc.compile(program, target="aarch64").save(Path(folder) / "digits")
        found = n2uqc.run(place, x)
        counted = n2uqc.profile(place, core="cortex-a53")

    print(f"{int((found.output.argmax(1) == labels).sum())} of {IMAGES} digits right")
    print(f"outputs equal to the interpreter's: {np.array_equal(found.output, expected)}")
    print(counted.text())


if __name__ == "__main__":
    main()
