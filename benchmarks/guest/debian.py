"""Python for AArch64 with the peers, made of packages of Debian and PyPI.

Nothing is installed on the machine: apt works in a separate folder, Debian's packages are unpacked
next to it, and pip only downloads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ..outcome import say

_PROGRAMS = ("apt-get", "dpkg", "qemu-aarch64")
_DEBIAN = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
PEERS = ("onnxruntime", "ai-edge-litert", "numpy", "flatbuffers")


@dataclass(frozen=True)
class Guest:
    """The root folder of an AArch64 Linux.

    Attributes:
        root: its ``/``.
        packages: folder of the PyPI packages.
        python: path of its Python interpreter on this machine.
    """

    root: Path
    packages: Path
    python: Path

    def version(self, package: str) -> str:
        """Return the version of a package in the guest."""
        name = package.replace("-", "_")
        return next(self.packages.glob(f"{name}-*.dist-info")).name[len(name) + 1 : -10]


def cache_folder() -> Path:
    """Return the folder that keeps the guest between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "n2uqc", "aarch64-guest")


def guest(folder: Path | None = None) -> Guest:
    """Return the guest; create it on first use, which downloads about 70 MB.

    Args:
        folder: folder of the guest; by default ``cache_folder``.

    Raises:
        RuntimeError: a program is missing or a download failed; the message says which.
    """
    folder = folder or cache_folder()
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise RuntimeError(
            f"{', '.join(missing)} not found: the peers run under qemu on a Debian or Ubuntu "
            "machine (apt install qemu-user)"
        )
    if not (folder / "complete").exists():
        say(f"downloading an AArch64 Python, ONNX Runtime and LiteRT to {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        _debian(folder)
        _packages(folder)
        (folder / "complete").touch()
    return _found(folder)


def _found(folder: Path) -> Guest:
    python = sorted((folder / "root/usr/bin").glob("python3.*[0-9]"))[0]
    return Guest(folder / "root", folder / "packages", python)


def _debian(folder: Path) -> None:
    apt = folder / "apt"
    for place in ("lists/partial", "cache/archives/partial"):
        (apt / place).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    options = [
        "-qq",
        "-o",
        "APT::Architecture=arm64",
        "-o",
        "APT::Architectures=arm64",
        "-o",
        f"Dir::State={apt}",
        "-o",
        f"Dir::State::status={apt / 'status'}",
        "-o",
        f"Dir::Cache={apt / 'cache'}",
        "-o",
        "Debug::NoLocking=1",
    ]
    _run("apt-get", *options, "update")
    _run(
        "apt-get",
        *options,
        "-y",
        "--download-only",
        "--no-install-recommends",
        "install",
        *_DEBIAN,
    )
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        _run("dpkg", "-x", str(package), str(folder / "root"))


def _packages(folder: Path) -> None:
    minor = _found(folder).python.name.removeprefix("python3.")
    platforms = [f"--platform=manylinux_2_{n}_aarch64" for n in (35, 34, 31, 28, 27, 17)]
    _run(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--only-binary=:all:",
        "--no-deps",
        *platforms,
        "--platform=manylinux2014_aarch64",
        f"--python-version=3.{minor}",
        "--implementation=cp",
        "-d",
        str(folder / "wheels"),
        *PEERS,
    )
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "packages")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:1])} failed: {done.stderr.strip()[-800:]}")
