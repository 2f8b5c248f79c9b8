"""The command-line driver: formats, batches, and every way in which its files can be wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from n2uqc.passes.program import Program, run

from .test_user_builds import compiler


@pytest.fixture
def driver(host_artifact: Path) -> Path:
    return host_artifact / json.loads((host_artifact / "manifest.json").read_text())["driver"]


def call(driver: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [str(driver), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def refused(driver: Path, folder: Path, *arguments: Path | str, code: int = 1) -> str:
    """Run, require failure without a trace in the folder, and give the message."""
    before = sorted(folder.iterdir())
    done = call(driver, *arguments)
    assert done.returncode == code, done.stderr
    assert sorted(folder.iterdir()) == before
    assert done.stderr and not done.stdout
    return done.stderr


@pytest.mark.parametrize("count", [0, 1, 7])
def test_npy_and_raw(
    driver: Path, network: Program, samples: np.ndarray, count: int, tmp_path: Path
) -> None:
    x = samples[:count].astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    x.tofile(tmp_path / "x.raw")
    expected = run(network, x) if count else np.empty((0, 1, 1, 10))
    for source in ("x.npy", "x.raw"):
        for result in ("y.npy", "y.raw"):
            assert call(driver, tmp_path / source, tmp_path / result).returncode == 0
            found = tmp_path / result
            y = np.load(found) if result == "y.npy" else np.fromfile(found, np.int32)
            assert y.dtype == np.int32
            np.testing.assert_array_equal(y.reshape(expected.shape), expected)


def test_other_versions_of_the_format(
    driver: Path, network: Program, samples: np.ndarray, tmp_path: Path
) -> None:
    x = samples.astype(np.uint8)
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(tmp_path / "x.npy", "wb") as file:
            np.lib.format.write_array(file, x, version=version)
        assert call(driver, tmp_path / "x.npy", tmp_path / "y.npy").returncode == 0
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), run(network, x))


def test_output_replaces_whole_and_may_be_the_input(
    driver: Path, network: Program, samples: np.ndarray, tmp_path: Path
) -> None:
    both = tmp_path / "both.npy"
    np.save(both, samples.astype(np.uint8))
    assert call(driver, both, both).returncode == 0
    np.testing.assert_array_equal(np.load(both), run(network, samples))


@pytest.mark.parametrize(
    ("dtype", "shape", "message"),
    [
        (np.int8, (2, 12, 12, 3), "element type is not uint8"),
        (np.float32, (2, 12, 12, 3), "element type is not uint8"),
        (np.uint16, (2, 12, 12, 3), "element type is not uint8"),
        (np.uint8, (2, 3, 12, 12), r"shape is not \(N, 12, 12, 3\)"),
        (np.uint8, (12, 12, 3), r"shape is not \(N, 12, 12, 3\)"),
        (np.uint8, (1, 2, 12, 12, 3), r"shape is not \(N, 12, 12, 3\)"),
        (np.uint8, (2, 12, 12, 3, 1), r"shape is not \(N, 12, 12, 3\)"),
        (np.uint8, (), r"shape is not \(N, 12, 12, 3\)"),
    ],
)
def test_wrong_arrays(driver: Path, tmp_path: Path, dtype, shape, message: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype))
    assert re.search(message, refused(driver, tmp_path, tmp_path / "x.npy", tmp_path / "y.npy"))


def test_fortran_order(driver: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(np.zeros((2, 12, 12, 3), np.uint8)))
    assert "C order" in refused(driver, tmp_path, tmp_path / "x.npy", tmp_path / "y.npy")


def test_damaged_files(driver: Path, tmp_path: Path) -> None:
    """Every truncation and many a changed header byte give an error, never a wrong answer."""
    whole = tmp_path / "whole.npy"
    np.save(whole, np.zeros((2, 12, 12, 3), np.uint8))
    data = whole.read_bytes()
    path = tmp_path / "x.npy"
    for length in (1, 5, 6, 8, 9, 11, 40, 100, 127, 128, 129, 500, len(data) - 1):
        path.write_bytes(data[:length])
        refused(driver, tmp_path, path, tmp_path / "y.npy")
    path.write_bytes(data + b"\0")
    assert "something behind" in refused(driver, tmp_path, path, tmp_path / "y.npy")
    for place, value in ((6, 9), (6, 0), (8, 0xFF), (9, 0xFF)):
        path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
        refused(driver, tmp_path, path, tmp_path / "y.npy")
    for old, new in (
        (b"'descr'", b"'desce'"),
        (b"'shape'", b"'shapf'"),
        (b"(2,", b"(-,"),
        (b"(2,", b"(3,"),
        (b"False", b"Falze"),
        (b"(2, 12", b"(20000000000000000000, 12"),
        (b"(2, 12", b"(9000000000000000000, 12"),
        (b"12, 3)", b"12, 3 "),
    ):
        path.write_bytes(data.replace(old, new))
        refused(driver, tmp_path, path, tmp_path / "y.npy")


def test_raw_of_the_wrong_size(driver: Path, tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(bytes(433))
    message = refused(driver, tmp_path, tmp_path / "x.raw", tmp_path / "y.raw")
    assert "multiple of a sample's (432 bytes of uint8)" in message


def test_names_decide_and_raw_overrules(
    driver: Path, network: Program, samples: np.ndarray, tmp_path: Path
) -> None:
    x = samples.astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "x.npy").rename(tmp_path / "x.raw")
    assert "named .npy" in refused(driver, tmp_path, tmp_path / "x.raw", tmp_path / "y.raw")
    x.tofile(tmp_path / "x.npy")
    message = refused(driver, tmp_path, tmp_path / "x.npy", tmp_path / "y.npy")
    assert "not an .npy file" in message
    for extra in ((), ("--bench", "2")):
        done = call(driver, tmp_path / "x.npy", tmp_path / "y.npy", "--raw", *extra)
        assert done.returncode == 0, done.stderr
        y = np.fromfile(tmp_path / "y.npy", np.int32)
        np.testing.assert_array_equal(y.reshape(-1, 1, 1, 10), run(network, x))


def test_missing_and_unwritable(driver: Path, tmp_path: Path) -> None:
    assert "No such file" in refused(driver, tmp_path, tmp_path / "none", tmp_path / "y.npy")
    np.save(tmp_path / "x.npy", np.zeros((1, 12, 12, 3), np.uint8))
    for bad in (tmp_path / "no" / "y.npy", tmp_path):
        assert str(bad) in refused(driver, tmp_path, tmp_path / "x.npy", bad)
    assert "no regular file" in refused(driver, tmp_path, tmp_path / "x.npy", "/dev/null")
    assert Path("/dev/null").is_char_device()
    assert refused(driver, tmp_path, tmp_path, tmp_path / "y.npy")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disk_leaves_nothing(driver: Path, samples: np.ndarray, tmp_path: Path) -> None:
    """A file-size limit of the process stands in for the full disk."""
    np.save(tmp_path / "x.npy", np.zeros((2000, 12, 12, 3), np.uint8))
    before = sorted(tmp_path.iterdir())
    done = subprocess.run(
        ["sh", "-c", f"trap '' XFSZ; ulimit -f 8; {driver} {tmp_path}/x.npy {tmp_path}/y.npy"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x",),
        ("x", "y", "z"),
        ("x", "y", "--bench"),
        ("x", "y", "--bench", "0"),
        ("x", "y", "--bench", "1x"),
        ("x", "y", "--bench", "-3"),
        ("x", "y", "--fast", "3"),
        ("x", "y", "--bench", "1" + "0" * 18, "--bench"),
        ("x", "y", "--bench", "1" + "0" * 30),
        ("x", "y", "--raw", "--raw", "z"),
    ],
)
def test_usage(driver: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "usage:" in refused(driver, tmp_path, *arguments, code=2)


def test_bench(driver: Path, samples: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", samples.astype(np.uint8))
    done = call(driver, tmp_path / "x.npy", tmp_path / "y.npy", "--bench", "20")
    assert done.returncode == 0
    found = re.fullmatch(r"20 runs, (\d+) ns on average, (\d+) ns at best\n", done.stdout)
    assert found and 0 < int(found[2]) <= int(found[1])


def test_the_program_is_static_and_names_no_folder(driver: Path) -> None:
    from elftools.elf.elffile import ELFFile

    with open(driver, "rb") as file:
        segments = [s["p_type"] for s in ELFFile(file).iter_segments()]
    assert "PT_LOAD" in segments
    assert "PT_INTERP" not in segments
    assert os.access(driver, os.X_OK)
    data = driver.read_bytes()
    for folder in (str(Path.home()), sys.prefix, str(driver.parents[1])):
        assert os.fsencode(f"{folder}/") not in data


def test_the_header_serves_c_and_cpp(host_artifact: Path, tmp_path: Path) -> None:
    """Users' own programs link against the library, from C and from C++."""
    manifest = json.loads((host_artifact / "manifest.json").read_text())
    name = Path(manifest["header"]).stem
    macro = name.upper()
    (tmp_path / "user.c").write_text(f"""
#include "{name}.h"
static _Alignas({macro}_WORKSPACE_ALIGNMENT) unsigned char space[{macro}_WORKSPACE_BYTES];
static {name}_input x[{macro}_INPUT_COUNT];
static {name}_output y[{macro}_OUTPUT_COUNT];
_Static_assert({macro}_INPUT_COUNT == {macro}_INPUT_HEIGHT * {macro}_INPUT_WIDTH
    * {macro}_INPUT_CHANNELS, "");
int main(void) {{ return {name}_run(x, y, space) != {macro}_OK || {macro}_INPUT_MIN != 0; }}
""")
    (tmp_path / "user.cpp").write_text(
        f'#include "{name}.h"\nint (*f)(const {name}_input *, {name}_output *, void *) '
        f"= {name}_run;\n"
    )
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{host_artifact / 'include'}"]
    subprocess.run(
        [
            "cc",
            "-std=c11",
            *flags,
            tmp_path / "user.c",
            host_artifact / manifest["library"],
            "-o",
            tmp_path / "user",
        ],
        check=True,
    )
    assert subprocess.run([tmp_path / "user"]).returncode == 0
    subprocess.run([*compiler("c++"), *flags, "-fsyntax-only", tmp_path / "user.cpp"], check=True)
