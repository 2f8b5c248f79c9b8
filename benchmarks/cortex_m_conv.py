"""One 3x3 convolution on Cortex-M4 and M7: n2uqc at 2, 3 and 4 bits beside CMSIS-NN's s8.

    python -m benchmarks.cortex_m_conv --cmsis-nn DIR

32 to 32 channels, the whole operator, codes or int8 in and out. Executed instructions are counted
exactly under qemu. DIR is a checkout of Arm's CMSIS-NN (github.com/ARM-software/CMSIS-NN), whose
arm_convolve_s8 is then compiled with arm-none-eabi-gcc -O3 and counted the same way. No package
registry has it; without DIR it is not measured, and the output says so. Cycles, and so MAC per
cycle, are estimates: counting does not model a core's dual issue and memory.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest
from n2uqc.passes.program import Program, run

from .guest.count import count, per_run
from .needs import end, need
from .networks import conv_macs, conv_program
from .outcome import add_json, report, say, table, versions

BOARDS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500"}
PUBLISHED = {"cortex-m4": 0.50, "cortex-m7": 0.67}
"""Published estimates for arm_convolve_s8 on 32 channels: MAC per cycle."""
_SOURCES = (
    "ConvolutionFunctions/arm_convolve_s8.c",
    "ConvolutionFunctions/arm_nn_mat_mult_kernel_s8_s16.c",
    "ConvolutionFunctions/arm_nn_mat_mult_kernel_row_offset_s8_s16.c",
    "ConvolutionFunctions/arm_convolve_get_buffer_sizes_s8.c",
    "NNSupportFunctions/arm_q7_to_q15_with_offset.c",
    "NNSupportFunctions/arm_s8_to_s16_unordered_with_offset.c",
    "NNSupportFunctions/arm_nn_mat_mult_nt_t_s8.c",
    "NNSupportFunctions/arm_nn_mat_mul_core_1x_s8.c",
    "NNSupportFunctions/arm_nn_mat_mul_core_4x_s8.c",
)
_PEER = Path(__file__).with_name("cmsis_nn_conv.c")
_QUIET = ("-display", "none", "-monitor", "none", "-serial", "null", "-parallel", "none")


def _firmware(elf: Path, core: str, arguments: list[str], place: Path) -> int:
    """Return the instructions of one run of a firmware."""
    words = ",".join(["enable=on,target=native,arg=demo", *(f"arg={a}" for a in arguments)])
    return count(
        ["-kernel", elf],
        qemu="qemu-system-arm",
        cwd=place,
        options=["-M", BOARDS[core], *_QUIET, "-semihosting-config", words],
    )


def ours(program: Program, core: str, place: Path) -> tuple[float, Path]:
    """Return the instructions of one sample, and the artifact.

    Raises:
        AssertionError: the firmware's output is not the interpreter's.
    """
    folder = compile_program(program, core).save(place / f"{program.name}-{core}")
    manifest = read_manifest(folder)
    kinds = manifest["input"], manifest["output"]
    x = np.random.default_rng(0).integers(
        kinds[0]["min"], kinds[0]["max"] + 1, (3, *kinds[0]["shape"])
    )

    def runs(samples: int) -> int:
        (place / "x.raw").write_bytes(x[:samples].astype(kinds[0]["dtype"]).tobytes())
        return _firmware(folder / manifest["driver"], core, ["x.raw", "y.raw"], place)

    instructions = per_run(runs, 1, 3)
    y = np.fromfile(place / "y.raw", kinds[1]["dtype"]).reshape(3, *kinds[1]["shape"])
    assert np.array_equal(y, run(program, x)), f"{program.name}: wrong output"
    return instructions, folder


def cmsis_nn(
    sources: Path, core: str, size: int, channels: int, folder: Path, place: Path
) -> float:
    """Return the instructions of one ``arm_convolve_s8``.

    Args:
        sources: the checkout of CMSIS-NN.
        core: a key of ``BOARDS``.
        size, channels: size and channels of the map.
        folder: an artifact for the same core, whose start-up code is used.
        place: folder to build in.

    Raises:
        SystemExit: a tool is missing, or the sources do not compile.
    """
    gcc = shutil.which("arm-none-eabi-gcc")
    if gcc is None:
        raise SystemExit("CMSIS-NN is compiled by arm-none-eabi-gcc: apt install gcc-arm-none-eabi")
    start = folder / "source"
    headers = "".join(path.read_text() for path in (sources / "Include").glob("*.h"))
    newer = ["-DUPSCALING"] if "upscale_dims" in headers else []
    files = [path for name in _SOURCES if (path := sources / "Source" / name).exists()]

    def runs(times: int) -> int:
        elf = place / f"cmsis{times}.elf"
        done = subprocess.run(
            [
                gcc,
                "-std=c11",
                "-O3",
                "-mthumb",
                f"-mcpu={core}",
                "-mfloat-abi=soft",
                "-nostartfiles",
                f"-DRUNS={times}",
                f"-DSIZE={size}",
                f"-DCHANNELS={channels}",
                *newer,
                f"-I{sources / 'Include'}",
                f"-I{start}",
                str(_PEER),
                str(start / "start.c"),
                *map(str, files),
                f"-Wl,-T,{start / 'board.ld'}",
                "-o",
                str(elf),
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"CMSIS-NN does not compile:\n{done.stderr[-3000:]}")
        return _firmware(elf, core, [], place)

    return per_run(runs, 1, 3)


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4], choices=range(2, 9))
    parser.add_argument("--size", type=int, default=16, help="height and width of the map")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--cores", nargs="+", default=list(BOARDS), choices=list(BOARDS))
    parser.add_argument("--cmsis-nn", type=Path, metavar="DIR", help="a checkout of CMSIS-NN")
    add_json(parser)
    options = parser.parse_args(arguments)
    need("qemu-system-arm", "gcc")
    size, channels = options.size, options.channels
    macs, rows = conv_macs(size, channels), []

    def row(core: str, name: str, instructions: float) -> dict[str, Any]:
        say(f"{core}: {name}: {instructions:,.0f} instructions")
        return {
            "core": core,
            "name": name,
            "instructions": round(instructions),
            "mac_per_instruction": macs / instructions,
        }

    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as folder:
        place = Path(folder)
        for core in options.cores:
            for bits in options.bits:
                found, artifact = ours(conv_program(bits, size, channels), core, place)
                rows.append(row(core, f"n2uqc {bits}-bit", found))
            if options.cmsis_nn is not None:
                found = cmsis_nn(options.cmsis_nn, core, size, channels, artifact, place)
                rows.append(row(core, "CMSIS-NN s8", found))
    for core in options.cores:
        here = [r for r in rows if r["core"] == core]
        peer = next((r["instructions"] for r in here if "CMSIS" in r["name"]), None)
        for r in here:
            r["fewer"] = peer / r["instructions"] if peer else None
    text = table(
        rows,
        {
            "core": "core",
            "name": "",
            "instructions": "instructions",
            "mac_per_instruction": "MAC/instr.",
            "fewer": "fewer than CMSIS-NN",
        },
    )
    text += f"\n3x3, {channels} to {channels} channels, {size}x{size}: {macs:,} MAC."
    if options.cmsis_nn is None:
        known = ", ".join(f"{rate} on {core}" for core, rate in PUBLISHED.items())
        text += (
            "\nCMSIS-NN was NOT measured (--cmsis-nn DIR does). Published estimates of its s8 "
            f"convolution on 32 channels, MAC per cycle: {known}."
        )
    report(
        options,
        text,
        {
            "benchmark": "cortex_m_conv",
            "size": size,
            "channels": channels,
            "macs": macs,
            "rows": rows,
            "cmsis_nn_measured": options.cmsis_nn is not None,
            "versions": versions(),
        },
    )
    return 0


if __name__ == "__main__":
    end(main)
