"""One 3x3 convolution on AArch64: n2uqc at 2, 3 and 4 bits against ONNX Runtime and LiteRT.

    python -m benchmarks.arm_conv

64 to 64 channels on a 56x56 map, the whole operator: codes in, codes out with n2uqc (thresholds
included), int8 in, int8 out with the peers (bias, ReLU, requantization included). Instructions are
counted exactly under qemu, one thread. The peers' packages for AArch64 are downloaded once.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import onnx

from . import int8, tflite
from .arm import NAMES, add_options, ours, peer, ready, rows_of, tell, text_of
from .guest.processor import CORES
from .needs import end
from .networks import conv_macs, conv_program
from .outcome import report, versions

TARGETS = {2: 12.9, 3: 8.83, 4: 6.26}
"""Targets on ARMv8.0: MAC per instruction, by bits."""


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4], choices=range(2, 9))
    parser.add_argument("--size", type=int, default=56, help="height and width of the map")
    parser.add_argument("--channels", type=int, default=64)
    add_options(parser)
    options = parser.parse_args(arguments)
    size, channels = options.size, options.channels
    macs, at = conv_macs(size, channels), ready(options)
    measured = []
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        models = {"ort": Path(place, "conv.onnx"), "litert": Path(place, "conv.tflite")}
        if at is not None:
            onnx.save(int8.integer_conv(size, channels), models["ort"])
            schema = tflite.load_schema(at.packages)
            models["litert"].write_bytes(tflite.conv(schema, size, channels))
        for core in (CORES[name] for name in options.cores):
            for bits in options.bits:
                program = conv_program(bits, size, channels)
                measured.append(tell(ours(program, core, macs, f"n2uqc {bits}-bit")))
            for kind in NAMES:
                if at is None:
                    break
                measured.append(tell(peer(kind, models[kind], at, core, macs)))
    rows = rows_of(measured)
    text = text_of(rows) + f"\n3x3, {channels} to {channels} channels, {size}x{size}: {macs:,} MAC."
    for row in rows:
        bits = int(row["name"][6]) if row["name"].startswith("n2uqc") else 0
        if row["core"] == "ARMv8.0" and bits in TARGETS and (size, channels) == (56, 64):
            met = row["mac_per_instruction"] >= TARGETS[bits]
            text += f"\n{row['name']}: target {TARGETS[bits]}, {'met' if met else 'missed'}"
    report(
        options,
        text,
        {
            "benchmark": "arm_conv",
            "size": size,
            "channels": channels,
            "macs": macs,
            "rows": rows,
            "versions": versions()
            | ({p: at.version(p) for _, p in NAMES.values()} if at is not None else {}),
        },
    )
    return 0


if __name__ == "__main__":
    end(main)
