"""The numbers of system calls and the layouts of their structures, by architecture."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import replace

from .linux_calls import Abi, Handler, LinuxCalls


def _answer(value: int) -> Handler:
    return lambda *_: value


_readv: Handler = lambda self, *v: self.vectored(self.read, *v[:3])  # noqa: E731
_writev: Handler = lambda self, *v: self.vectored(self.write, *v[:3])  # noqa: E731


def _without_directory(call: Handler, *paths: int) -> Handler:
    """Return the older form of a system call, without a directory before each path."""
    return lambda self, *v: call(
        self, *(a for k, x in enumerate(v) for a in ((0, x) if k in paths else (x,)))
    )


def _stat_aarch64(status: os.stat_result) -> bytes:
    """Return ``struct stat`` (Linux, asm-generic/stat.h)."""
    return struct.pack(
        "<QQIIIIQQqiiq48x",
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        0,
        0,
        status.st_size,
        4096,
        0,
        -(-status.st_size // 512),
    )


def _stat_arm(status: os.stat_result) -> bytes:
    """Return ``struct stat64`` (Linux, arch/arm/include/uapi/asm/stat.h)."""
    inode = status.st_ino & 0xFFFF_FFFF
    return struct.pack(
        "<Q4xIIIIIQ8xqI4xQ24xQ",
        status.st_dev,
        inode,
        status.st_mode,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        0,
        status.st_size,
        4096,
        -(-status.st_size // 512),
        inode,
    )


AARCH64 = Abi(
    "aarch64",
    8,
    0x5000_0000_0000,
    0x6000_0000_0000,
    _stat_aarch64,
    {
        25: _answer(0),  # fcntl
        29: _answer(-errno.ENOTTY),  # ioctl: no terminal
        35: LinuxCalls.unlink,  # unlinkat
        38: LinuxCalls.rename,  # renameat
        56: LinuxCalls.open,  # openat
        57: LinuxCalls.close,
        62: LinuxCalls.seek,  # lseek
        63: LinuxCalls.read,
        64: LinuxCalls.write,
        65: _readv,  # readv
        66: _writev,  # writev
        78: _answer(-errno.EINVAL),  # readlinkat
        79: LinuxCalls.stat,  # newfstatat
        80: LinuxCalls.stat_open,  # fstat
        93: LinuxCalls.exit,
        94: LinuxCalls.exit,  # exit_group
        96: _answer(1),  # set_tid_address
        98: _answer(0),  # futex: nobody else is there to wait for or to wake
        99: _answer(0),  # set_robust_list
        113: LinuxCalls.clock,  # clock_gettime
        123: LinuxCalls.affinity,  # sched_getaffinity
        134: _answer(0),  # rt_sigaction
        135: _answer(0),  # rt_sigprocmask
        160: LinuxCalls.uname,
        172: _answer(1),  # getpid
        178: _answer(1),  # gettid
        214: LinuxCalls.brk,
        215: LinuxCalls.munmap,
        222: LinuxCalls.mmap,
        226: _answer(0),  # mprotect
        233: _answer(0),  # madvise
        261: _answer(-errno.ENOSYS),  # prlimit64
        276: LinuxCalls.rename,  # renameat2
        278: LinuxCalls.random,  # getrandom
        291: _answer(-errno.ENOSYS),  # statx: C libraries fall back on newfstatat
        293: _answer(-errno.ENOSYS),  # rseq
    },
)
"""AArch64, with the numbers of asm-generic/unistd.h."""

RISCV64 = replace(
    AARCH64,
    machine="riscv64",
    heap=0x10_0000_0000,
    mapped=0x20_0000_0000,
    calls={**AARCH64.calls, 258: _answer(-errno.ENOSYS), 259: _answer(0)},
)
"""64-bit RISC-V: the same numbers; riscv_hwprobe and riscv_flush_icache of its own."""

ARM = Abi(
    "armv7l",
    4,
    0x5000_0000,
    0x6000_0000,
    _stat_arm,
    {
        1: LinuxCalls.exit,
        3: LinuxCalls.read,
        4: LinuxCalls.write,
        5: _without_directory(LinuxCalls.open, 0),
        6: LinuxCalls.close,
        10: _without_directory(lambda self, *v: LinuxCalls.unlink(self, *v, 0), 0),
        19: LinuxCalls.seek,  # lseek
        20: _answer(1),  # getpid
        38: _without_directory(LinuxCalls.rename, 0, 1),
        45: LinuxCalls.brk,
        54: _answer(-errno.ENOTTY),  # ioctl: no terminal
        85: _answer(-errno.EINVAL),  # readlink
        91: LinuxCalls.munmap,
        122: LinuxCalls.uname,
        125: _answer(0),  # mprotect
        140: LinuxCalls.seek64,  # _llseek
        145: _readv,
        146: _writev,
        174: _answer(0),  # rt_sigaction
        175: _answer(0),  # rt_sigprocmask
        191: _answer(-errno.ENOSYS),  # ugetrlimit
        192: LinuxCalls.mmap,  # mmap2
        195: _without_directory(lambda self, *v: LinuxCalls.stat(self, *v[:3], 0), 0),  # stat64
        197: LinuxCalls.stat_open,  # fstat64
        220: _answer(0),  # madvise
        221: _answer(0),  # fcntl64
        224: _answer(1),  # gettid
        240: _answer(0),  # futex: nobody else is there to wait for or to wake
        242: LinuxCalls.affinity,  # sched_getaffinity
        248: LinuxCalls.exit,  # exit_group
        256: _answer(1),  # set_tid_address
        263: LinuxCalls.clock32,  # clock_gettime
        322: LinuxCalls.open,  # openat
        327: LinuxCalls.stat,  # fstatat64
        328: LinuxCalls.unlink,  # unlinkat
        329: LinuxCalls.rename,  # renameat
        332: _answer(-errno.EINVAL),  # readlinkat
        338: _answer(0),  # set_robust_list
        369: _answer(-errno.ENOSYS),  # prlimit64
        382: LinuxCalls.rename,  # renameat2
        384: LinuxCalls.random,  # getrandom
        397: _answer(-errno.ENOSYS),  # statx: C libraries fall back on fstatat64
        398: _answer(-errno.ENOSYS),  # rseq
        403: LinuxCalls.clock,  # clock_gettime64
        422: _answer(0),  # futex_time64
        0xF0005: LinuxCalls.set_thread_pointer,
    },
)
"""32-bit ARM, with the numbers of arch/arm/tools/syscall.tbl."""
