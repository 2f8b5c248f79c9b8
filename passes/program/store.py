"""Programs on disk: one deterministic ZIP file of the text and the bit-packed constants."""

from __future__ import annotations

import io
import zipfile
from math import prod
from pathlib import Path

import numpy as np

from n2uqc.frontend.archives import DAMAGED_ARCHIVE
from n2uqc.frontend.diagnostics import reason
from n2uqc.frontend.escape import plain
from n2uqc.frontend.write import write_atomically

from .program import Program
from .text import TextError, dump, hash_of, parse
from .types import Constant, limits_of
from .verify import verify

_FORMAT = "n2uqc program 2"
_READ = {_FORMAT, "n2uqc program 1"}  # in 1, one input and one output
PREFIX = b"PK\x03\x04"
"""First bytes of a program's file, and of no ONNX file."""
_HOST = "host.onnx"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MOST_BYTES = 2 * 1024**3  # unpacked, as of an ONNX file
_PIECE = 2**20  # values unpacked at once

# What any file may unpack to, and what it may for each byte of its own: trained weights shrink
# little, an archive of nothing but zeros a thousandfold.
_SMALL_BYTES, _BYTES = 64 * 1024**2, 50
_SMALL_TEXT, _TEXT = 4 * 1024**2, 30
_SMALL_VALUES, _VALUES = 2**24, 64
_MOST_CHANNELS = 2**24  # of all tensors together; each has a range

# What reading a file that was cut, changed or written by something else ends in.
_DAMAGE: tuple[type[Exception], ...] = (
    *DAMAGED_ARCHIVE,
    TextError,
    ValueError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
)


class StoreError(ValueError):
    """A program file that cannot be read."""


def pack(constant: Constant) -> bytes:
    """Return the values at their own width, least significant bit first,
    no padding between them.
    """
    low, _ = constant.limits
    codes = constant.values.ravel().astype(np.int64)
    if constant.encoding == "odd":
        codes = (codes - low) // 2
    raw = np.ascontiguousarray(codes.astype("<i8")).view(np.uint8).reshape(-1, 8)
    used = raw[:, : (constant.bits + 7) // 8]
    bits = np.unpackbits(used, axis=1, bitorder="little")[:, : constant.bits]
    return np.packbits(bits, bitorder="little").tobytes()


def unpack(data: bytes, encoding: str, bits: int, shape: tuple[int, ...]) -> Constant:
    """Unpack values that ``pack`` has packed.

    Raises:
        StoreError: the length does not fit the shape.
    """
    count = prod(shape)
    if len(data) != (count * bits + 7) // 8:
        raise StoreError(f"{len(data)} bytes for {count} values of {bits} bits")
    packed = np.frombuffer(data, np.uint8)
    codes = np.empty(count, np.int64)
    for first in range(0, count, _PIECE):  # whole bytes: 64 are needed for each value on the way
        size = min(_PIECE, count - first)
        part = packed[first * bits // 8 : -(-(first + size) * bits // 8)]
        wide = np.zeros((size, 64), dtype=np.uint8)
        wide[:, :bits] = np.unpackbits(part, count=size * bits, bitorder="little").reshape(-1, bits)
        if encoding == "s":  # extend the sign
            wide[:, bits:] = wide[:, bits - 1 : bits]
        codes[first : first + size] = np.packbits(wide, axis=1, bitorder="little").view("<i8")[:, 0]
    if encoding == "odd":
        codes = 2 * codes - ((1 << bits) - 1)
    return Constant(codes.reshape(shape), encoding, bits)


def to_bytes(program: Program) -> bytes:
    """Return the file's content; equal programs give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:

        def add(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)

        add("format", _FORMAT.encode())
        add("program.txt", dump(program, inline=False).encode())
        if program.host is not None:
            add(_HOST, program.host.data)
        for name, constant in program.constants.items():
            add(f"constants/{name}", pack(constant))
    return buffer.getvalue()


def save(program: Program, path: Path | str) -> None:
    """Write a lowered program to a file, completely or not at all.

    Raises:
        IllegalOp: the program breaks a rule of SPEC.md.
        OSError: the file cannot be written.
    """
    verify(program)
    write_atomically(Path(path), to_bytes(program))


def is_program_file(path: Path) -> bool:
    """Return whether a file is a saved program and not ONNX, by its content."""
    if path.exists() and not path.is_file():  # opening a pipe would wait, and use it up
        return False
    try:
        with open(path, "rb") as file:
            return file.read(4) == PREFIX
    except (OSError, ValueError):  # ValueError: a NUL character in the path
        return path.suffix == ".n2uq"


def _require_program(names: list[str]) -> None:
    """Refuse other ZIP archives that users mistake for a model."""
    if any(name.endswith("/data.pkl") for name in names):
        raise StoreError(
            "it is a checkpoint of PyTorch: export the network with torch.onnx.export, or, where "
            "the published N2UQ training code made it, use `n2uqc import-checkpoint`"
        )
    if "format" not in names:
        raise StoreError("it is some other ZIP archive; if the model is in it, unpack it")


_ENCODINGS = ("u", "s", "odd")


def _check_unpacked(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse what expands far more than programs do, before it is expanded."""
    unpacked = sum(member.file_size for member in archive.infolist())
    text = archive.getinfo("program.txt").file_size
    for what, taken, most in (
        ("", unpacked, min(_MOST_BYTES, max(_SMALL_BYTES, _BYTES * size))),
        ("text of ", text, _SMALL_TEXT + _TEXT * size),
    ):
        if taken > most:
            raise StoreError(
                f"unpacks to {what}{taken / 1024**2:,.0f} MiB; of a file of its size at most "
                f"{most / 1024**2:,.0f} MiB are read"
            )


def _room(size: int) -> int:
    """Return how many values the constants of a file of ``size`` bytes may have."""
    return max(_SMALL_VALUES, _VALUES * size)


def _damage(error: BaseException) -> str:
    """Return what is wrong with a file; its archive where reading that failed."""
    read = (ValueError, LookupError, EOFError, RecursionError, ArithmeticError)
    return reason(error) if isinstance(error, read) else "its archive is damaged"


def load(path: Path | str | bytes) -> Program:
    """Read and verify a program file, by its path or its content.

    Raises:
        StoreError: the file is missing, damaged, or not a program.
    """
    source = "the given bytes" if isinstance(path, bytes) else plain(path)
    try:
        size = len(path) if isinstance(path, bytes) else Path(path).stat().st_size
        with zipfile.ZipFile(io.BytesIO(path) if isinstance(path, bytes) else path) as archive:
            _require_program(archive.namelist())
            _check_unpacked(archive, size)
            written = archive.read("format").decode()
            if written not in _READ:
                raise StoreError(
                    f"written by another version of n2uqc: its format is '{plain(written[:40])}', "
                    f"{' and '.join(sorted(_READ))} are read"
                )
            text = archive.read("program.txt").decode()
            constants, lines, room = {}, [], _room(size)
            for line in text.splitlines():
                if not line.startswith("@"):
                    lines.append(line)
                    continue
                head, _, told = line[1:].partition(" = ")
                name, typed = head.split(" : ")
                code, _, shape = typed.rstrip("]").partition("[")
                encoding = code.rstrip("0123456789")
                bits = int(code[len(encoding) :])
                limits_of(bits, True)
                if encoding not in _ENCODINGS or name in constants:
                    raise StoreError(f"@{name[:80]} is of the type {typed[:80]}, or given twice")
                sizes = tuple(int(v) for v in shape.split(",") if v)
                room -= prod(sizes)
                if room < 0:
                    raise StoreError(f"up to @{name} its constants have too many values")
                constants[name] = unpack(archive.read(f"constants/{name}"), encoding, bits, sizes)
                if told != hash_of(constants[name]):
                    raise StoreError(
                        f"the values of @{name} are not those that were saved: they have "
                        f"{hash_of(constants[name])}, the program's text says {told}; "
                        "compile the network again"
                    )
            host = archive.read(_HOST) if _HOST in archive.namelist() else None
        program = parse("\n".join(lines), constants, host)
        if sum(t.shape[2] for t in program.types.values()) > _MOST_CHANNELS:
            raise StoreError(f"its tensors have more than {_MOST_CHANNELS:,} channels")
        verify(program)
        return program
    except FileNotFoundError:
        raise StoreError(f"no such file: {source}") from None
    except _DAMAGE as error:
        raise StoreError(f"{source}: not a readable n2uqc program: {_damage(error)}") from None
