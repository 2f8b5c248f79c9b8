"""ResNet-18 on this machine, one thread: n2uqc at 2, 3 and 4 bits against ONNX Runtime.

    python -m benchmarks.host_resnet18

It measures the wall time of one 224x224 image per call. All contestants run in turn, round after
round, so that other load affects all of them equally. It prints the minimum and the median of each,
and the ratio of each peer's time to n2uqc's, for medians and minima. On a machine with AVX-512,
ONNX Runtime is measured twice: unchanged, and restricted to AVX2.

With --count, instructions of one image are counted instead, exactly, under qemu with a Haswell
processor (AVX2). Counts do not depend on other load, but say nothing about time per instruction.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest, toolchain
from n2uqc.passes.program import Program, run

from . import int8
from .guest.count import count, per_run
from .needs import end, need
from .networks import RESNET18_MACS, resnet18_program
from .outcome import add_json, report, say, table, versions
from .without_avx512 import copy_without_avx512, machine_has_avx512

Call = Callable[[], float]
"""Runs one image and returns the seconds."""
TARGET = 1.7  # target of the speed at 2 bits, relative to the int8 peer
_HASWELL: Any = {"qemu": "qemu-x86_64", "options": ("-cpu", "Haswell")}


def our_call(program: Program, folder: Path, mcpu: str | None) -> tuple[Call, str]:
    """Return a call that runs one image in a host artifact loaded into this process,
    and the processor's name.

    Raises:
        AssertionError: its output differs from the interpreter's.
    """
    artifact = compile_program(program, "host", mcpu=mcpu).save(folder / "net")
    manifest = read_manifest(artifact)
    shared = folder / "net.so"
    subprocess.run(
        [
            *toolchain.host().compiler,
            "-shared",
            "-nostdlib",
            "-Wl,--whole-archive",
            str(artifact / manifest["library"]),
            "-o",
            str(shared),
        ],
        check=True,
    )
    function = getattr(ctypes.CDLL(str(shared)), manifest["function"])
    kind = manifest["input"]
    x = np.random.default_rng(0).integers(kind["min"], kind["max"] + 1, (1, *kind["shape"]))
    given = np.ascontiguousarray(x[0], dtype=kind["dtype"])
    y = np.zeros(manifest["output"]["shape"], manifest["output"]["dtype"])
    alignment = manifest["workspace_alignment"]
    room = np.zeros(manifest["workspace_bytes"] + alignment, np.uint8)
    start = room.ctypes.data + -room.ctypes.data % alignment
    places = [ctypes.c_void_p(p) for p in (given.ctypes.data, y.ctypes.data, start)]
    keep = given, y, room  # the call uses only their addresses

    def call() -> float:
        begin = time.perf_counter()
        code = function(*places)
        seconds = time.perf_counter() - begin
        assert code == 0, f"{manifest['function']} gave {code}: {len(keep)}"
        return seconds

    call()
    assert np.array_equal(y, run(program, x)[0]), "output differs from the interpreter's"
    return call, str(manifest["cpu"])


class Peer:
    """ONNX Runtime with a model, in a separate process."""

    def __init__(self, model: Any, path: Path, packages: Path | None = None) -> None:
        onnx.save(model, path)
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}  # no other thread
        if packages is not None:
            environment["PYTHONPATH"] = str(packages)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ort_worker.py")), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if not self._answer():
            raise RuntimeError("ONNX Runtime could not be started")

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def __call__(self) -> float:
        """Return the seconds of one run."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self._answer()) / 1e9

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def count_ours(program: Program, folder: Path, mcpu: str) -> float:
    """Return the instructions of one image in a host artifact on a Haswell processor."""
    artifact = compile_program(program, "host", mcpu=mcpu).save(folder / "net")
    manifest = read_manifest(artifact)
    kind = manifest["input"]
    x = np.random.default_rng(0).integers(kind["min"], kind["max"] + 1, (1, *kind["shape"]))
    np.save(folder / "x.npy", x.astype(kind["dtype"]))
    driver = [artifact / manifest["driver"], folder / "x.npy", folder / "y.npy", "--bench"]
    instructions = per_run(lambda runs: count([*driver, str(runs)], **_HASWELL), 1, 3)
    assert np.array_equal(np.load(folder / "y.npy"), run(program, x)), "wrong output"
    return instructions


def count_peer(model: Any, path: Path) -> float:
    """Return the instructions of one image in ONNX Runtime on a Haswell processor."""
    onnx.save(model, path)
    command = [sys.executable, Path(__file__).parent / "guest" / "worker.py", "ort", path]
    return per_run(lambda runs: count([*command, str(runs)], **_HASWELL), 1, 3)


def counted(options: argparse.Namespace) -> int:
    """Print instructions instead of times."""
    need("qemu-x86_64", "gcc")
    instructions: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        for bits in options.bits:
            program, folder = resnet18_program(bits, options.precision), Path(place, str(bits))
            folder.mkdir()
            name = f"n2uqc {bits}-bit"
            instructions[name] = count_ours(program, folder, options.mcpu or "x86-64-v3")
            say(f"{name}: {instructions[name]:,.0f} instructions")
        model = int8.quantized(int8.float_resnet18(), "uint8")
        instructions["ONNX Runtime U8S8"] = count_peer(model, Path(place, "peer.onnx"))
    peer = instructions["ONNX Runtime U8S8"]
    rows = [
        {
            "name": name,
            "instructions": round(n),
            "mac_per_instruction": RESNET18_MACS / n,
            "fewer": peer / n,
        }
        for name, n in instructions.items()
    ]
    text = table(
        rows,
        {
            "name": "",
            "instructions": "instructions",
            "mac_per_instruction": "MAC/instr.",
            "fewer": "fewer than peer",
        },
    )
    report(
        options,
        text + f"\nx86-64 with AVX2, precision {options.precision}.",
        {
            "benchmark": "host_resnet18",
            "counted": True,
            "precision": options.precision,
            "rows": rows,
            "versions": versions("onnxruntime"),
        },
    )
    return 0


def in_turns(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each call in each round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(call())
    return times


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4], choices=range(2, 9))
    parser.add_argument("--precision", default="balanced", help="exact, balanced or small")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--mcpu", help="processor to compile for, as LLVM names it")
    parser.add_argument("--count", action="store_true", help="count instructions instead")
    add_json(parser)
    options = parser.parse_args(arguments)
    need("torch", "onnxruntime")
    if options.count:
        return counted(options)
    calls: dict[str, Call] = {}
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        for bits in options.bits:
            say(f"n2uqc: ResNet-18, {bits} bits")
            program = resnet18_program(bits, options.precision)
            folder = Path(place, str(bits))
            folder.mkdir()
            calls[f"n2uqc {bits}-bit"], cpu = our_call(program, folder, options.mcpu)
        say("ONNX Runtime: quantizing")
        plain = int8.float_resnet18()
        whole = Path(place)
        peers = {"ONNX Runtime U8S8": int8.quantized(plain, "uint8"), "ONNX Runtime fp32": plain}
        copies: dict[str, Path | None] = {"": None}
        if machine_has_avx512():
            copies = {" AVX2": copy_without_avx512(whole / "avx2"), " AVX-512": None}
        for kind, packages in copies.items():
            for k, (name, model) in enumerate(peers.items()):
                calls[name + kind] = Peer(model, whole / f"{k}.onnx", packages)
        say(f"{options.rounds} rounds")
        times = in_turns(calls, options.rounds)
        for call in calls.values():
            if isinstance(call, Peer):
                call.close()
    rows = [_row(name, values, times) for name, values in times.items()]
    columns = {"name": "", "least_ms": "least ms", "median_ms": "median ms", "gmacs": "GMAC/s"}
    ours = [f"n2uqc {bits}-bit" for bits in options.bits]
    for name in ours:
        columns[f"median / {name}"] = f"median/{name[6:]}"
        columns[f"least / {name}"] = f"least/{name[6:]}"
    found = {
        "benchmark": "host_resnet18",
        "mcpu": cpu,
        "precision": options.precision,
        "rounds": options.rounds,
        "rows": rows,
        "versions": versions("onnxruntime"),
    }
    text = table(rows, columns)
    text += f"\nOne thread, {cpu}, precision {options.precision}; GMAC/s at the least time."
    if 2 in options.bits:
        ratio = next(r for r in rows if "U8S8" in r["name"])["least / n2uqc 2-bit"]
        text += f"\n2-bit against int8: {ratio:.2f} times as fast, target {TARGET}."
    report(options, text, found)
    return 0


def _row(name: str, values: list[float], times: dict[str, list[float]]) -> dict[str, Any]:
    least, median = min(values), statistics.median(values)
    row: dict[str, Any] = {
        "name": name,
        "least_ms": 1e3 * least,
        "median_ms": 1e3 * median,
        "gmacs": RESNET18_MACS / least / 1e9,
    }
    for other, theirs in times.items():
        if other.startswith("n2uqc"):
            row[f"median / {other}"] = median / statistics.median(theirs)
            row[f"least / {other}"] = least / min(theirs)
    return row


if __name__ == "__main__":
    end(main)
