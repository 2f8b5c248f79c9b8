"""Reading and atomic writing of files with arrays: samples, outputs, dumps."""

from __future__ import annotations

import argparse
import io
import os
import struct
import tokenize
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from n2uqc.api.errors import UserError
from n2uqc.frontend.archives import DAMAGED_ARCHIVE
from n2uqc.frontend.bounded_file import open_ordinary, read_bounded
from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

WRITTEN = {"output", "dump", "html", "html_json", "html_csv"}
"""Options of commands that name output files."""


_MOST_BYTES = 2 * 1024**3  # bytes of all arrays in an .npz file
_MOST_REASON = 200  # characters of what NumPy says, which may quote a file's header

# Exceptions of numpy's reader on a damaged header or archive.
_DAMAGE: tuple[type[Exception], ...] = (
    *DAMAGED_ARCHIVE, ValueError, TypeError, LookupError, ArithmeticError, SyntaxError,
    AttributeError, struct.error, tokenize.TokenError,
)  # fmt: skip


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    """Turn what NumPy raises on a missing or damaged file of a kind into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {plain(path)}: {error.strerror or error}") from None
    except _DAMAGE as error:
        raise UserError(
            f"{plain(path)}: not a readable {kind} file: {cut(plain(error), _MOST_REASON)}"
        ) from None


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of an .npy file, or of an .npz file (its only one, or the one named ``x``).

    Raises:
        UserError: the file is missing or damaged, or holds pickled objects or several arrays.
    """
    import numpy as np

    with _reading(path, ".npy or .npz"), open_ordinary(path) as file:
        if file.read(4) not in (b"\x93NUM", b"PK\x03\x04"):
            raise UserError(f"{plain(path)}: not an .npy or .npz file")
        file.seek(0)
        _check_extent(file, plain(path))
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        members = _members(loaded, plain(path))
        name = "x" if "x" in members else next(iter(members), "")
        if name != "x" and len(members) != 1:
            names = plain(", ".join(members)) or "(none)"
            raise UserError(
                f"{plain(path)}: holds the arrays {names}; an .npz file must hold a single "
                "array or one named x"
            )
        array: NDArray[Any] = loaded[members[name]]
    return array


def _members(loaded: Any, file: str) -> dict[str, str]:
    """Return the names of an .npz file's arrays, each with its member of the archive.

    NumPy takes either for the other: asked for `a.npy`, it returns the array `a`.
    """
    members: dict[str, str] = {}
    for member in loaded.zip.namelist():
        name = member.removesuffix(".npy")
        if name == member:
            raise UserError(f"{file}: holds {plain(member)}, which is no array")
        if name in members:
            raise UserError(f"{file}: holds two arrays named {plain(name)}")
        members[name] = member
    return members


def map_array(path: Path) -> NDArray[Any]:
    """Return an array whose values are read when they are used, if it is an .npy file; an .npz
    file is read as ``read_array`` does.

    Raises:
        UserError: the file is missing or damaged, or holds pickled objects or several arrays.
    """
    import numpy as np

    with _reading(path, ".npy or .npz"), open_ordinary(path) as file:
        if file.read(4) != b"\x93NUM":
            return read_array(path)
        _check_extent(file, plain(path))
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def read_named(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of an .npz file by name.

    Raises:
        UserError: the file is missing or damaged, holds pickled objects, or is no .npz file.
    """
    import numpy as np

    with _reading(path, ".npz"), open_ordinary(path) as file:
        if file.read(4) != b"PK\x03\x04":
            raise UserError(f"{plain(path)}: not an .npz file")
        file.seek(0)
        _check_extent(file, plain(path))
        loaded = np.load(file, allow_pickle=False)
        members = _members(loaded, plain(path))
        arrays: dict[str, NDArray[Any]] = {n: loaded[member] for n, member in members.items()}
    return arrays


def open_or_refuse(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        UserError: it cannot be opened.
    """
    try:
        return open_ordinary(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {plain(path)}: {reason}") from None


def _check_extent(file: BinaryIO, name: str) -> None:
    """Refuse arrays that are larger than their file, before memory is allocated for them."""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        _check_header(file, os.fstat(file.fileno()).st_size, name)
    else:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise UserError(f"{name}: unpacks to more than {_MOST_BYTES / 1024**3:g} GiB")
            for member in archive.infolist():
                with archive.open(member) as array:
                    _check_header(array, member.file_size, name)
    file.seek(0)


def _check_header(file: IO[bytes], size: int, name: str) -> None:
    from numpy.lib import format as layout

    version = layout.read_magic(file)
    if version != (1, 0):  # its length has four bytes, and NumPy would allocate as much
        length, begin = int.from_bytes(file.read(4), "little"), file.tell() - 4
        if length > min(size, 1 << 20):
            raise UserError(f"{name}: damaged: a header of {length:,} bytes")
        file.seek(begin)
    read = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
    shape, _, dtype = read(file)
    if not all(0 <= axis < 1 << 63 for axis in shape):  # beside a 0, no axis makes it too large
        raise UserError(f"{name}: damaged: an array {shape}")
    if prod(shape) * dtype.itemsize > size - file.tell():  # the values follow the header
        raise UserError(f"{name}: cut off: {size:,} bytes for an array {shape} of {dtype}")


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        UserError: the file is missing or not UTF-8 text.
    """
    try:
        return read_bounded(path).decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {plain(path)}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{plain(path)}: not a text file") from None


def require_writable(path: Path, *, folder: bool = False) -> None:
    """Check before a long computation that a result can be written.

    Args:
        path: the file or folder that will be written.
        folder: whether the path is a folder, which will be created with its parents.

    Raises:
        UserError: it cannot be written; the message says why.
    """
    from n2uqc.frontend.write import is_stream, obstacle

    if folder and path.exists() and not path.is_dir():
        raise UserError(f"cannot write {plain(path)}: it is a file, a folder is wanted")
    if not folder and (blocking := obstacle(path)):
        raise UserError(f"cannot write {plain(path)}: it is {blocking}, a file is wanted")
    if not folder and is_stream(path):
        if not os.access(path, os.W_OK):
            raise UserError(f"cannot write {plain(path)}: no permission")
        return
    place = path if folder else Path(os.path.realpath(path)).parent
    while folder and not place.exists() and place != place.parent:
        place = place.parent
    if not place.exists():
        raise UserError(f"cannot write {plain(path)}: there is no folder {plain(place)}")
    if not place.is_dir():
        raise UserError(f"cannot write {plain(path)}: {plain(place)} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"cannot write {plain(path)}: no permission to write in {plain(place)}")


def keep_inputs(options: argparse.Namespace) -> None:
    """Refuse to write to a file that the same command reads, or two results to one file.

    Args:
        options: the parsed command line; ``WRITTEN`` are its output files.

    Raises:
        UserError: names the file.
    """
    paths = {name: value for name, value in vars(options).items() if isinstance(value, Path)}
    paths |= {f"model {k}": path for k, path in enumerate(getattr(options, "models", ()))}
    for name in WRITTEN & paths.keys():
        for other in paths.keys() - {name}:
            if paths[name].is_file() and paths[other].is_dir() and other not in WRITTEN:
                same = paths[other].resolve() in paths[name].resolve().parents
            elif paths[name].is_file() and paths[other].exists():
                same = paths[name].samefile(paths[other])
            else:
                same = other in WRITTEN and paths[name].absolute() == paths[other].absolute()
            if same:
                reason = "it is an input"
                if other in WRITTEN:
                    reason = "two results go there"
                elif paths[other].is_dir():
                    reason = f"it is a file of {plain(paths[other])}, which is read"
                raise UserError(f"cannot write {plain(paths[name])}: {reason}; name another file")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, completely or not at all."""
    from n2uqc.frontend.write import write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise UserError(f"cannot write {plain(path)}: {error.strerror or error}") from None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an .npy file."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an .npz file of named arrays."""
    import numpy as np

    buffer = io.BytesIO()
    # Not np.savez, whose own parameters are names that arrays cannot have.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    write_bytes(path, buffer.getvalue())
