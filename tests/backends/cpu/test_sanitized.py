"""The driver under address and undefined-behavior sanitizers: good and bad files."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import read_manifest
from n2uqc.passes.program import Program, run

FLAGS = (
    "-std=c11",
    "-O1",
    "-g",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)


@pytest.fixture(scope="module")
def sanitized(host_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver's own source with the library, as a user would link them."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc")
    manifest = read_manifest(host_artifact)
    path = tmp_path_factory.mktemp("sanitized") / "driver"
    (source,) = (host_artifact / "source").glob("*_main.c")
    done = subprocess.run(
        [
            gcc,
            *FLAGS,
            f"-I{host_artifact / 'include'}",
            source,
            host_artifact / manifest["library"],
            "-o",
            path,
        ],
        capture_output=True,
        text=True,
    )
    if "cannot find -lasan" in done.stderr or "cannot find -lubsan" in done.stderr:
        pytest.skip("gcc without its sanitizers")
    assert not done.returncode, done.stderr
    return path


def call(driver: Path, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:exitcode=99"}
    done = subprocess.run(
        [driver, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        errors="replace",
    )
    assert done.returncode in (0, 1, 2), done.stderr
    assert "runtime error" not in done.stderr
    assert "Sanitizer" not in done.stderr
    return done


def test_good_files(sanitized: Path, network: Program, samples: np.ndarray, tmp_path: Path) -> None:
    x = samples.astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    x.tofile(tmp_path / "x.bin")
    for source in ("x.npy", "x.bin"):
        done = call(sanitized, tmp_path / source, tmp_path / "y.npy", "--bench", "2")
        assert done.returncode == 0
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), run(network, x))


def test_bad_files(sanitized: Path, tmp_path: Path) -> None:
    """Truncated anywhere, with bytes changed in the header, long headers, not files at all."""
    np.save(tmp_path / "whole.npy", np.zeros((2, 12, 12, 3), np.uint8))
    data = (tmp_path / "whole.npy").read_bytes()
    head = data.index(b"\n") + 1
    path, out, rng = tmp_path / "x.npy", tmp_path / "y.npy", random.Random(0)
    cases = [data[:length] for length in (0, 1, 6, 9, 10, 11, 64, head - 1, head, head + 1, 431)]
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(head)] = rng.choice([0, 39, 40, 44, 57, 255, rng.randrange(256)])
        cases.append(bytes(changed))
    cases.append(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b"{" * 9000)
    cases.append(b"\x93NUMPY\x01\x00\x00\x10" + b"('descr'" * 512)
    for case in cases:
        path.write_bytes(case)
        done = call(sanitized, path, out)
        assert done.returncode == 0 or (done.stderr and not out.exists())
        out.unlink(missing_ok=True)
        call(sanitized, path, tmp_path / "y.raw", "--raw")
    for source, target in ((tmp_path, out), (tmp_path / "none", out), (path, tmp_path)):
        assert call(sanitized, source, target).returncode == 1
    for arguments in ((), ("x",), ("x", "y", "--bench"), ("x", "y", "--bench", "9" * 20)):
        assert call(sanitized, *arguments).returncode == 2
