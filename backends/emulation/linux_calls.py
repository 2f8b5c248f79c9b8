"""The Linux system calls that drivers and C libraries make, for an emulated program.

Their numbers and other differences between architectures are in ``linux_abi.py``. The program can
access only the files that its arguments name, and ``NAME.*.part`` next to them.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PAGE = 0x1000
_IO = 1 << 20  # bytes copied between emulated memory and files at once
_AT_FDCWD = -100


class GuestMemory(Protocol):
    """The emulated program's memory."""

    def read(self, address: int, size: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...

    def map(self, start: int, size: int) -> None: ...

    def unmap(self, start: int, size: int) -> None: ...


Handler = Callable[..., int]
"""A system call: takes LinuxCalls and the arguments, returns the result."""


@dataclass(frozen=True)
class Abi:
    """The Linux ABI of an architecture.

    Attributes:
        machine: name that ``uname`` returns.
        word: bytes of an address.
        heap, mapped: addresses where the heap and newly mapped memory begin.
        stat: function that makes ``struct stat`` of a file.
        calls: system calls by number.
    """

    machine: str
    word: int
    heap: int
    mapped: int
    stat: Callable[[os.stat_result], bytes]
    calls: Mapping[int, Handler]

    def words(self, values: Sequence[int]) -> bytes:
        return struct.pack(f"<{len(values)}{'Q' if self.word == 8 else 'I'}", *values)


class UnknownCall(Exception):
    """A system call that is not implemented; its argument is the number."""


class _Failure(OSError):
    """The failure of a system call, whose error number the program gets."""


class LinuxCalls:
    """The system calls of one program, with its open files and memory limits.

    Attributes:
        captured: text written to standard output (1) and error (2).
        code: the exit code, after the program has ended.
        thread_pointer: the thread pointer, which a system call sets on 32-bit ARM.
    """

    def __init__(self, memory: GuestMemory, allowed: Sequence[str], abi: Abi) -> None:
        self.memory, self.allowed, self.abi = memory, set(allowed), abi
        self.files: dict[int, int] = {}
        self.captured = {1: bytearray(), 2: bytearray()}
        self.break_, self.mapped = abi.heap, abi.mapped
        self.thread_pointer = 0
        self.code: int | None = None

    def call(self, number: int, values: Sequence[int]) -> int:
        """Carry out a system call with its six arguments; negative results are error numbers.

        Raises:
            UnknownCall: it is not implemented.
        """
        handler = self.abi.calls.get(number)
        if handler is None:
            raise UnknownCall(number)
        try:
            return handler(self, *values)
        except OSError as error:
            return -(error.errno or errno.EIO)

    def close_all(self) -> None:
        """Close the files that the program left open."""
        for handle in self.files.values():
            os.close(handle)
        self.files.clear()

    def _text(self, address: int) -> str:
        data = bytearray()
        while not data.endswith(b"\0"):
            data += self.memory.read(address + len(data), 1)
        return os.fsdecode(bytes(data[:-1]))

    def _path(self, directory: int, address: int) -> str:
        """Read a path; fail unless the program may use it."""
        path = self._text(address)
        beside = path.endswith(".part") and any(path.startswith(f"{n}.") for n in self.allowed)
        if _signed(directory & 0xFFFF_FFFF, 32) not in (_AT_FDCWD, 0) and not os.path.isabs(path):
            raise _Failure(errno.EBADF, "")
        if path not in self.allowed and not beside:
            raise _Failure(errno.EACCES, "")
        return path

    def _handle(self, number: int) -> int:
        if number not in self.files:
            raise _Failure(errno.EBADF, "")
        return self.files[number]

    def open(self, directory: int, path: int, flags: int, mode: int, *_: int) -> int:
        handle = os.open(self._path(directory, path), _host_flags(flags), mode & 0o777)
        number = next(n for n in range(3, 1 << 10) if n not in self.files)
        self.files[number] = handle
        return number

    def close(self, number: int, *_: int) -> int:
        if number > 2:
            os.close(self._handle(number))
            del self.files[number]
        return 0

    def seek(self, number: int, offset: int, whence: int, *_: int) -> int:
        if number <= 2:
            raise _Failure(errno.ESPIPE, "")
        return os.lseek(self._handle(number), _signed(offset), whence)

    def seek64(self, number: int, high: int, low: int, result: int, whence: int, *_: int) -> int:
        place = self.seek(number, high << 32 | low, whence)
        self.memory.write(result, place.to_bytes(8, "little"))
        return 0

    def read(self, number: int, address: int, size: int, *_: int) -> int:
        data = b"" if number == 0 else os.read(self._handle(number), min(size, _IO))
        if data:
            self.memory.write(address, data)
        return len(data)

    def write(self, number: int, address: int, size: int, *_: int) -> int:
        data = self.memory.read(address, min(size, _IO)) if size else b""
        if number in self.captured:
            self.captured[number] += data
            return len(data)
        return os.write(self._handle(number), data)

    def vectored(
        self, step: Callable[[int, int, int], int], number: int, vector: int, count: int
    ) -> int:
        """Carry out readv or writev by reads or writes, up to the first short one."""
        done = 0
        for k in range(count):
            pair = struct.Struct("<QQ" if self.abi.word == 8 else "<II")
            address, size = pair.unpack(self.memory.read(vector + pair.size * k, pair.size))
            moved = step(number, address, size) if size else 0
            done += moved
            if moved < size:
                break
        return done

    def stat(self, directory: int, path: int, buffer: int, flags: int, *_: int) -> int:
        empty_path = 0x1000
        if flags & empty_path and not self._text(path):
            return self.stat_open(directory, buffer)
        return self._put_stat(os.stat(self._path(directory, path)), buffer)

    def stat_open(self, number: int, buffer: int, *_: int) -> int:
        return self._put_stat(os.fstat(number if number <= 2 else self._handle(number)), buffer)

    def _put_stat(self, status: os.stat_result, buffer: int) -> int:
        self.memory.write(buffer, self.abi.stat(status))
        return 0

    def unlink(self, directory: int, path: int, flags: int, *_: int) -> int:
        os.unlink(self._path(directory, path))
        return 0

    def rename(self, old_dir: int, old: int, new_dir: int, new: int, *_: int) -> int:
        os.replace(self._path(old_dir, old), self._path(new_dir, new))
        return 0

    def brk(self, wanted: int, *_: int) -> int:
        """Grow the heap; return where it ends."""
        if wanted > self.break_:
            end = -(-self.break_ // PAGE) * PAGE
            new_end = -(-wanted // PAGE) * PAGE
            if new_end > end:
                self.memory.map(end, new_end - end)
            self.break_ = wanted
        return self.break_

    def mmap(
        self, address: int, size: int, protection: int, flags: int, number: int, offset: int
    ) -> int:
        """Map new memory; files cannot be mapped."""
        if _signed(number & 0xFFFF_FFFF, 32) != -1 or not size:
            raise _Failure(errno.EINVAL, "")
        size = -(-size // PAGE) * PAGE
        place, self.mapped = self.mapped, self.mapped + size + PAGE
        self.memory.map(place, size)
        return place

    def munmap(self, address: int, size: int, *_: int) -> int:
        self.memory.unmap(address, -(-size // PAGE) * PAGE)
        return 0

    def clock(self, which: int, buffer: int, *_: int) -> int:
        return self._put_time(which, buffer, "<qq")

    def clock32(self, which: int, buffer: int, *_: int) -> int:
        return self._put_time(which, buffer, "<ii")

    def _put_time(self, which: int, buffer: int, form: str) -> int:
        now = time.time_ns() if which == 0 else time.monotonic_ns()
        self.memory.write(buffer, struct.pack(form, *divmod(now, 10**9)))
        return 0

    def affinity(self, process: int, size: int, buffer: int, *_: int) -> int:
        self.memory.write(buffer, self.abi.words([1]))  # one processor
        return self.abi.word

    def uname(self, buffer: int, *_: int) -> int:
        fields = ("Linux", "n2uqc", "6.1.0", "emulated", self.abi.machine, "")
        data = b"".join(text.encode().ljust(65, b"\0") for text in fields)
        self.memory.write(buffer, data)
        return 0

    def random(self, buffer: int, size: int, *_: int) -> int:
        self.memory.write(buffer, os.urandom(min(size, 256)))
        return min(size, 256)

    def set_thread_pointer(self, address: int, *_: int) -> int:
        self.thread_pointer = address
        return 0

    def exit(self, code: int, *_: int) -> int:
        self.code = code & 0xFF
        return 0


def _signed(value: int, bits: int = 64) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _host_flags(flags: int) -> int:
    """Convert the flags of openat that drivers use to those of the host."""
    known = os.O_RDONLY | os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TRUNC
    return (flags & known) | os.O_CLOEXEC
