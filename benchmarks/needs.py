"""Checks that the packages and programs of a benchmark are installed, before it starts."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from typing import NoReturn

from n2uqc.frontend.diagnostics import CompileError

_EXTRAS = {"torch": "train", "onnxruntime": "bench", "flatbuffers": "bench", "qonnx": "bench"}
_SYSTEM = {
    "qemu-aarch64": "qemu-user",
    "qemu-x86_64": "qemu-user",
    "qemu-system-arm": "qemu-system-arm",
    "gcc": "gcc",  # compiles qemu's plugin
}


def need(*names: str) -> None:
    """Require Python packages and programs.

    Raises:
        SystemExit: some are missing; the message says how to install them.
    """
    packages = [n for n in names if n in _EXTRAS and importlib.util.find_spec(n) is None]
    programs = [n for n in names if n in _SYSTEM and shutil.which(n) is None]
    hints = []
    if packages:
        extras = ",".join(sorted({_EXTRAS[n] for n in packages}))
        hints.append(f"{', '.join(packages)} not found: pip install 'n2uqc[{extras}]'")
    if programs:
        wanted = " ".join(sorted({_SYSTEM[n] for n in programs}))
        hints.append(f"{', '.join(programs)} not found: apt install {wanted}")
    if hints:
        raise SystemExit("; ".join(hints))


def end(main: Callable[[], int]) -> NoReturn:
    """Run a benchmark as a program; report missing or failed tools without a traceback.

    Raises:
        SystemExit: always, with ``main``'s result or a message.
    """
    try:
        code = main()
    except CompileError as error:
        raise SystemExit(str(error)) from None
    raise SystemExit(code)
