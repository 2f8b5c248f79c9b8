"""ResNet-18 on AArch64: n2uqc against ONNX Runtime and LiteRT, both int8.

    python -m benchmarks.arm_resnet18

One 224x224 image, one thread, instructions counted exactly under qemu. n2uqc runs an N2UQ network
(its stem, skip stream and head in fixed point at each precision named), with the convolutions in
its skip connections real-valued and quantized, as N2UQ publishes both; the peers run the plain int8
ResNet-18 of the same shape. The peers' packages for AArch64 are downloaded once.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path

import onnx

from . import int8, tflite
from .arm import NAMES, add_options, ours, peer, ready, rows_of, tell, text_of
from .guest.processor import CORES
from .needs import end
from .networks import RESNET18_MACS, resnet18_program
from .outcome import report, say, versions

TARGETS = {"ARMv8.0": 200e6, "+dotprod": 150e6}
"""Targets at 2 bits and balanced precision: instructions per image."""


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[2], choices=range(2, 9))
    parser.add_argument(
        "--precisions",
        nargs="+",
        metavar="NAME",
        default=["balanced", "exact"],
        help="of exact, balanced, small",
    )
    parser.add_argument(
        "--downsample",
        nargs="+",
        default=["float", "quantized"],
        choices=("float", "quantized"),
        help="convolutions in the skip connections of n2uqc's networks",
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    at, measured = ready(options, ["torch"], ["onnxruntime"]), []
    programs = {}
    for bits, precision, skips in product(options.bits, options.precisions, options.downsample):
        name = f"n2uqc {bits}-bit {precision}, {skips} downsampling"
        say(f"{name}: compiling to integers")
        programs[name] = resnet18_program(bits, precision, skips)
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        models = {"ort": Path(place, "resnet18.onnx"), "litert": Path(place, "resnet18.tflite")}
        if at is not None:
            onnx.save(int8.quantized(int8.float_resnet18(), "int8"), models["ort"])
            models["litert"].write_bytes(tflite.resnet18(tflite.load_schema(at.packages)))
        for core in (CORES[name] for name in options.cores):
            for name, program in programs.items():
                measured.append(tell(ours(program, core, RESNET18_MACS, name)))
            for kind in NAMES:
                if at is None:
                    break
                measured.append(tell(peer(kind, models[kind], at, core, RESNET18_MACS, (1, 2))))
    rows = rows_of(measured)
    text = text_of(rows) + f"\nResNet-18, 224x224: {RESNET18_MACS:,} MAC."
    for row in rows:
        wanted = TARGETS.get(row["core"])
        if wanted and row["name"].startswith("n2uqc 2-bit balanced"):
            met = "met" if row["instructions"] <= wanted else "missed"
            text += f"\n{row['name']}, {row['core']}: target {wanted:,.0f}, {met}"
    report(
        options,
        text,
        {
            "benchmark": "arm_resnet18",
            "macs": RESNET18_MACS,
            "rows": rows,
            "versions": versions()
            | ({p: at.version(p) for _, p in NAMES.values()} if at is not None else {}),
        },
    )
    return 0


if __name__ == "__main__":
    end(main)
