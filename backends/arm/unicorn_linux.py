"""A static AArch64 Linux program run inside this process, on the unicorn emulator.

The way to run ARM artifacts where no qemu-user is installed: pip brings unicorn everywhere.  Only
the system calls that drivers and C libraries make are there; the program sees no files but those
that its arguments name (and ``NAME.*.part`` beside them).
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import unicorn
from unicorn import arm64_const as arm

from n2uqc.frontend.diagnostics import CompileError

from .elf import load_segments
from .emulate import Finished

_PAGE = 0x1000
_STACK_TOP, _STACK_SIZE = 0x7FFF_F000_0000, 1 << 20
_HEAP = 0x5000_0000_0000
_MMAP = 0x6000_0000_0000
_SUPERVISOR_CALL = 2  # unicorn's number for the exception of `svc`
_IO = 1 << 20  # bytes moved between emulated memory and files at once
_AT_FDCWD = -100

_AUX_PHDR, _AUX_PHENT, _AUX_PHNUM, _AUX_PAGE, _AUX_ENTRY = 3, 4, 5, 6, 9
_AUX_HWCAP, _AUX_SECURE, _AUX_RANDOM = 16, 23, 25
_HWCAP_FP_ASIMD = 3


def run_static(program: Path, arguments: Sequence[str]) -> Finished:
    """Run a program to its end.

    Args:
        program: a static AArch64 Linux executable.
        arguments: for it.

    Raises:
        CompileError: not such a program; it crashed, or made an unknown system call.
    """
    return _Process(program, arguments).run()


class _Failure(OSError):
    """A system call's error number, for the program."""


class _Process:
    """Memory, open files and system calls of one emulated program."""

    def __init__(self, program: Path, arguments: Sequence[str]) -> None:
        self.arguments = [str(program), *arguments]
        self.allowed = set(arguments)
        self.files: dict[int, int] = {}
        self.captured = {1: bytearray(), 2: bytearray()}
        self.break_, self.mapped = _HEAP, _MMAP
        self.code: int | None = None
        self.fault: BaseException | None = None
        self.machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.machine.ctl_set_cpu_model(arm.UC_CPU_ARM64_MAX)
        self.machine.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # vector unit on
        image = load_segments(program.read_bytes(), "aarch64")
        for start, data, size in image.segments:
            low, high = start // _PAGE * _PAGE, -(-(start + size) // _PAGE) * _PAGE
            self._map(low, high - low)
            self.machine.mem_write(start, data)
        self._map(_STACK_TOP - _STACK_SIZE, _STACK_SIZE)
        self.entry = image.entry
        auxiliary = [
            (_AUX_PHDR, image.headers), (_AUX_PHENT, image.header_size),
            (_AUX_PHNUM, image.header_count), (_AUX_PAGE, _PAGE), (_AUX_ENTRY, image.entry),
            (_AUX_HWCAP, _HWCAP_FP_ASIMD), (_AUX_SECURE, 0),
        ]
        self.machine.reg_write(arm.UC_ARM64_REG_SP, self._stack(auxiliary))
        self.machine.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)

    def run(self) -> Finished:
        """Emulate until the program exits."""
        try:
            self.machine.emu_start(self.entry, 0)
        except unicorn.UcError as error:
            place = self.machine.reg_read(arm.UC_ARM64_REG_PC)
            raise CompileError(
                f"{self.arguments[0]} crashed under unicorn at {place:#x}: {error}"
            ) from None
        finally:
            for handle in self.files.values():
                os.close(handle)
        if self.fault is not None:
            raise self.fault
        texts = (bytes(self.captured[k]).decode(errors="replace") for k in (1, 2))
        return Finished(self.code or 0, *texts)

    def _map(self, start: int, size: int) -> None:
        """Map pages that are not mapped yet: neighbouring segments may share one."""
        for first, last, _ in self.machine.mem_regions():
            if first < start + size and start <= last:
                if start < first:
                    self._map(start, first - start)
                start, size = last + 1, start + size - last - 1
                if size <= 0:
                    return
        self.machine.mem_map(start, size)

    def _stack(self, auxiliary: list[tuple[int, int]]) -> int:
        """What the kernel puts on a new stack; its address."""
        top = _STACK_TOP - 16
        self.machine.mem_write(top, bytes(range(16)))  # "random" bytes: nothing secret here
        auxiliary = [*auxiliary, (_AUX_RANDOM, top), (0, 0)]
        pointers = []
        for text in self.arguments:
            data = os.fsencode(text) + b"\0"
            top -= len(data)
            self.machine.mem_write(top, data)
            pointers.append(top)
        words = [len(pointers), *pointers, 0, 0]  # no environment
        words += [word for pair in auxiliary for word in pair]
        place = (top - 8 * len(words)) // 16 * 16
        self.machine.mem_write(place, struct.pack(f"<{len(words)}Q", *words))
        return place

    def _interrupt(self, machine: unicorn.Uc, number: int, data: object) -> None:
        """Answer a system call; anything unexpected stops the machine and is told later."""
        try:
            if number != _SUPERVISOR_CALL:
                place = machine.reg_read(arm.UC_ARM64_REG_PC)
                raise CompileError(
                    f"{self.arguments[0]} raised exception {number} under unicorn at {place:#x}"
                )
            call = machine.reg_read(arm.UC_ARM64_REG_X8)
            values = [machine.reg_read(arm.UC_ARM64_REG_X0 + k) for k in range(6)]
            handler = _CALLS.get(call)
            if handler is None:
                raise CompileError(
                    f"{self.arguments[0]} made system call {call}, which the emulation inside "
                    "n2uqc does not know; install qemu-user (apt install qemu-user)"
                )
            try:
                result = handler(self, *values)
            except OSError as error:
                result = -(error.errno or errno.EIO)
            machine.reg_write(arm.UC_ARM64_REG_X0, result & (1 << 64) - 1)
        except BaseException as error:  # unicorn would swallow it
            self.fault = error
            machine.emu_stop()

    def _text(self, address: int) -> str:
        data = bytearray()
        while not data.endswith(b"\0"):
            data += self.machine.mem_read(address + len(data), 1)
        return os.fsdecode(bytes(data[:-1]))

    def _path(self, directory: int, address: int) -> str:
        """A path that the program may use."""
        path = self._text(address)
        beside = path.endswith(".part") and any(path.startswith(f"{n}.") for n in self.allowed)
        if _signed(directory) not in (_AT_FDCWD, 0) and not os.path.isabs(path):
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

    def read(self, number: int, address: int, size: int, *_: int) -> int:
        data = b"" if number == 0 else os.read(self._handle(number), min(size, _IO))
        if data:
            self.machine.mem_write(address, data)
        return len(data)

    def write(self, number: int, address: int, size: int, *_: int) -> int:
        data = bytes(self.machine.mem_read(address, min(size, _IO))) if size else b""
        if number in self.captured:
            self.captured[number] += data
            return len(data)
        return os.write(self._handle(number), data)

    def vectored(
        self, step: Callable[[int, int, int], int], number: int, vector: int, count: int
    ) -> int:
        """readv and writev by read and write; stops at the first short one."""
        done = 0
        for k in range(count):
            address, size = struct.unpack("<QQ", self.machine.mem_read(vector + 16 * k, 16))
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

    def _put_stat(self, found: os.stat_result, buffer: int) -> int:
        """struct stat of 64-bit ARM (Linux, asm-generic/stat.h)."""
        self.machine.mem_write(buffer, struct.pack(
            "<QQIIIIQQqiiq48x", found.st_dev, found.st_ino, found.st_mode, found.st_nlink,
            found.st_uid, found.st_gid, 0, 0, found.st_size, 4096, 0, -(-found.st_size // 512),
        ))
        return 0

    def unlink(self, directory: int, path: int, flags: int, *_: int) -> int:
        os.unlink(self._path(directory, path))
        return 0

    def rename(self, old_dir: int, old: int, new_dir: int, new: int, *_: int) -> int:
        os.replace(self._path(old_dir, old), self._path(new_dir, new))
        return 0

    def brk(self, wanted: int, *_: int) -> int:
        """Grow the heap; asked for less than there is, tell where it ends."""
        if wanted > self.break_:
            end = -(-self.break_ // _PAGE) * _PAGE
            new_end = -(-wanted // _PAGE) * _PAGE
            if new_end > end:
                self._map(end, new_end - end)
            self.break_ = wanted
        return self.break_

    def mmap(
        self, address: int, size: int, protection: int, flags: int, number: int, offset: int
    ) -> int:
        """Fresh memory; files are not mapped by what runs here."""
        if _signed(number & 0xFFFF_FFFF, 32) != -1 or not size:
            raise _Failure(errno.EINVAL, "")
        size = -(-size // _PAGE) * _PAGE
        place, self.mapped = self.mapped, self.mapped + size + _PAGE
        self.machine.mem_map(place, size)
        return place

    def munmap(self, address: int, size: int, *_: int) -> int:
        self.machine.mem_unmap(address, -(-size // _PAGE) * _PAGE)
        return 0

    def clock(self, which: int, buffer: int, *_: int) -> int:
        now = time.time_ns() if which == 0 else time.monotonic_ns()
        self.machine.mem_write(buffer, struct.pack("<qq", *divmod(now, 10**9)))
        return 0

    def affinity(self, process: int, size: int, buffer: int, *_: int) -> int:
        self.machine.mem_write(buffer, (1).to_bytes(8, "little"))  # one processor
        return 8

    def uname(self, buffer: int, *_: int) -> int:
        fields = ("Linux", "n2uqc", "6.1.0", "emulated", "aarch64", "")
        data = b"".join(text.encode().ljust(65, b"\0") for text in fields)
        self.machine.mem_write(buffer, data)
        return 0

    def random(self, buffer: int, size: int, *_: int) -> int:
        self.machine.mem_write(buffer, os.urandom(min(size, 256)))
        return min(size, 256)

    def exit(self, code: int, *_: int) -> int:
        self.code = code & 0xFF
        self.machine.emu_stop()
        return 0


def _signed(value: int, bits: int = 64) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _host_flags(flags: int) -> int:
    """The flags of openat that drivers use; AArch64 numbers most as all Linux machines do."""
    known = os.O_RDONLY | os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_TRUNC
    return (flags & known) | os.O_CLOEXEC


def _answer(value: int) -> Callable[..., int]:
    return lambda *_: value


_Handler = Callable[..., int]
_CALLS: dict[int, _Handler] = {
    25: _answer(0),  # fcntl
    29: _answer(-errno.ENOTTY),  # ioctl: no terminal
    35: _Process.unlink,  # unlinkat
    38: _Process.rename,  # renameat
    56: _Process.open,  # openat
    57: _Process.close,
    62: _Process.seek,  # lseek
    63: _Process.read,
    64: _Process.write,
    65: lambda self, *v: self.vectored(self.read, *v[:3]),  # readv
    66: lambda self, *v: self.vectored(self.write, *v[:3]),  # writev
    78: _answer(-errno.EINVAL),  # readlinkat
    79: _Process.stat,  # newfstatat
    80: _Process.stat_open,  # fstat
    93: _Process.exit,
    94: _Process.exit,  # exit_group
    96: _answer(1),  # set_tid_address
    98: _answer(0),  # futex: nobody else is there to wait for or to wake
    99: _answer(0),  # set_robust_list
    113: _Process.clock,  # clock_gettime
    123: _Process.affinity,  # sched_getaffinity
    134: _answer(0),  # rt_sigaction
    135: _answer(0),  # rt_sigprocmask
    160: _Process.uname,
    172: _answer(1),  # getpid
    178: _answer(1),  # gettid
    214: _Process.brk,
    215: _Process.munmap,
    222: _Process.mmap,
    226: _answer(0),  # mprotect
    233: _answer(0),  # madvise
    261: _answer(-errno.ENOSYS),  # prlimit64
    276: _Process.rename,  # renameat2
    278: _Process.random,  # getrandom
    291: _answer(-errno.ENOSYS),  # statx: C libraries fall back on newfstatat
    293: _answer(-errno.ENOSYS),  # rseq
}
"""System calls by their numbers (Linux, asm-generic/unistd.h)."""
