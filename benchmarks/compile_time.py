"""Seconds and memory to compile ResNet-18, for each target.

    python -m benchmarks.compile_time

Each `n2uqc compile` runs in a separate process, from ONNX file to folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .needs import end, need
from .networks import resnet18_file
from .outcome import add_json, report, say, table, versions

TARGET_SECONDS = 60.0  # for aarch64, on two cores


def measure(model: Path, target: str, precision: str, folder: Path) -> dict[str, Any]:
    """Compile once.

    Returns:
        Wall and processor seconds, peak resident bytes, bytes of the library.

    Raises:
        SystemExit: it failed; the message holds its output.
    """
    command = [
        sys.executable,
        "-m",
        "n2uqc",
        "compile",
        str(model),
        "--target",
        target,
        "--precision",
        precision,
        "-o",
        str(folder),
    ]
    before, start = os.times(), time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, after = time.perf_counter() - start, os.times()
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{target}: {output.read().decode()[-2000:].strip()}")
    # Child processes (the C compiler) count too.
    busy = sum(after[2:4]) - sum(before[2:4])
    library = sum(path.stat().st_size for path in folder.glob("*.a"))
    return {
        "target": target,
        "seconds": seconds,
        "processor_seconds": busy,
        "peak_bytes": used.ru_maxrss * 1024,
        "peak_mb": used.ru_maxrss / 1024,
        "library_mb": library / 1e6,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print one row per target."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=int, default=2, choices=range(2, 9))
    parser.add_argument("--precision", default="balanced", help="exact, balanced or small")
    parser.add_argument(
        "--targets",
        nargs="+",
        metavar="T",
        default=["host", "aarch64", "aarch64+dotprod", "aarch64+i8mm", "armv7"],
    )
    parser.add_argument("--model", type=Path, metavar="FILE", help="an ONNX file instead")
    add_json(parser)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        model = options.model
        if model is None:
            need("torch")
            say(f"exporting ResNet-18, {options.bits} bits")
            model = resnet18_file(options.bits, Path(place, "resnet18.onnx"))
        rows = []
        for k, target in enumerate(options.targets):
            rows.append(measure(model, target, options.precision, Path(place, str(k))))
            say(f"{target}: {rows[-1]['seconds']:.1f} s")
    text = table(
        rows,
        {
            "target": "target",
            "seconds": "seconds",
            "processor_seconds": "processor s",
            "peak_mb": "peak MB",
            "library_mb": "library MB",
        },
    )
    text += f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}."
    for row in rows:
        if row["target"] == "aarch64" and options.model is None:
            met = row["seconds"] <= TARGET_SECONDS
            text += f" aarch64: target {TARGET_SECONDS:g} s, {'met' if met else 'missed'}."
    report(
        options,
        text,
        {
            "benchmark": "compile_time",
            "bits": options.bits,
            "precision": options.precision,
            "rows": rows,
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "versions": versions(),
        },
    )
    return 0


if __name__ == "__main__":
    end(main)
