"""A copy of ONNX Runtime that does not use AVX-512, to measure AVX2 on a machine with AVX-512.

Programs may use AVX-512 only if XGETBV reports that the operating system saves its registers. ONNX
Runtime has no option for it, so this replaces that instruction in a copy of its library by code
that reports only the registers of AVX.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

# xgetbv, recognized by its context: after "xor ecx, ecx", or before its two halves are joined.
_XGETBV = re.compile(rb"(?<=\x31\xc9)\x0f\x01\xd0|\x0f\x01\xd0(?=\x89\xc0\x48\xc1\xe2\x20)", re.S)
_ONLY_AVX = b"\xb0\x07\x90"  # mov al, 7; nop: x87, SSE and AVX


def machine_has_avx512() -> bool:
    """Return whether this machine's processor and system offer AVX-512."""
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def copy_without_avx512(folder: Path) -> Path:
    """Copy the installed ONNX Runtime, with the change, into a folder for PYTHONPATH.

    Raises:
        LookupError: it is not installed, or its library is not as expected.
    """
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise LookupError("onnxruntime is not installed: pip install 'n2uqc[bench]'")
    source = Path(spec.origin).parent
    target = folder / "onnxruntime"
    unwanted = shutil.ignore_patterns("__pycache__", "libonnxruntime.so*")
    shutil.copytree(source, target, ignore=unwanted)
    changed = 0
    for library in target.glob("capi/*.so"):
        data, count = _XGETBV.subn(_ONLY_AVX, library.read_bytes())
        library.write_bytes(data)
        changed += count
    if not changed:
        raise LookupError("found no XGETBV in onnxruntime's library")
    return folder
