"""Writing a file whole or not at all, in the place of nothing but an ordinary file."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

_STREAMS = re.compile(r"/dev/(fd/)?[^/]+|/proc/.*")
"""Names that stand for open files, such as /dev/stdout and /dev/fd/1, whatever these are."""


def is_stream(path: Path) -> bool:
    """Whether what is written goes through a path, as through a pipe, a terminal or /dev/null,
    instead of lying there afterwards."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    named = _STREAMS.fullmatch(os.path.abspath(path))
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or (named is not None and stat.S_ISREG(mode))


def obstacle(path: Path) -> str:
    """What at a path must not be replaced by a file: "" for nothing, a file, or a stream."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}
    return next((name for test, name in kinds.items() if test(mode)), "")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or nothing.

    A link stays, and what it leads to is written; an older file's permissions stay.  What is a
    stream takes the bytes and stays what it is.

    Raises:
        OSError: it cannot be written, or a folder, device or socket lies there.
    """
    path = Path(path)
    if found := obstacle(path):
        raise FileExistsError(errno.EEXIST, f"it is {found}, a file is wanted", str(path))
    if is_stream(path):
        _pour(path, data)
        return
    path = Path(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _pour(path: Path, data: bytes) -> None:
    """Write into a stream; into an open file of this process where it stands, not at its begin."""
    handle = next((fd for fd in (1, 2) if _same(path, fd)), None)
    if sys.stdout is not None:
        sys.stdout.flush()
    opened = os.open(path, os.O_WRONLY) if handle is None else os.dup(handle)
    with os.fdopen(opened, "wb") as stream:
        stream.write(data)


def _same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _mode(path: Path) -> int:
    """The permissions of the file that is there, else those of a new one."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
