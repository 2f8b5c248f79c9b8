"""Execution of a static ARM Linux program in this process, with the unicorn emulator.

ARM artifacts run this way where qemu-user is not installed: unicorn comes with pip.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import unicorn
from unicorn import arm_const

from n2uqc.frontend.diagnostics import CompileError

from .cpu import CPUS, HELPERS
from .elf import load_segments
from .finished import Finished
from .linux_calls import PAGE, LinuxCalls, UnknownCall
from .matrix import UNDEFINED, execute

_engine: Any = unicorn  # unicorn's annotations are incomplete

_STACK_SIZE = 1 << 20

_AUX_PHDR, _AUX_PHENT, _AUX_PHNUM, _AUX_PAGE, _AUX_ENTRY = 3, 4, 5, 6, 9
_AUX_HWCAP, _AUX_SECURE, _AUX_RANDOM, _AUX_HWCAP2 = 16, 23, 25, 26

OnBlock = Callable[[Any, int, int, object], None]
"""Called with (machine, address, size in bytes, None) before each basic block."""


def run_static(
    program: Path,
    arguments: Sequence[str],
    on_block: OnBlock | None = None,
    architecture: str = "aarch64",
    patches: Mapping[int, bytes] | None = None,
) -> Finished:
    """Run a program until it exits.

    Args:
        program: a static Linux executable.
        arguments: its arguments; it can access no other files.
        on_block: called before every basic block.
        architecture: ``aarch64``, ``armv7`` or ``armv6``.
        patches: bytes by address that replace parts of the program before it runs.

    Raises:
        CompileError: the file is no such program, it crashed, or it made an unknown system call.
    """
    process = _Process(program, arguments, architecture)
    for address, data in (patches or {}).items():
        process.write(address, data)
    if on_block is not None:
        process.machine.hook_add(_engine.UC_HOOK_BLOCK, on_block)
    return process.run()


class _Process:
    """An emulated program, with the memory interface for its system calls."""

    def __init__(self, program: Path, arguments: Sequence[str], architecture: str) -> None:
        self.name, self.cpu = program.name, CPUS[architecture]
        self.linux = LinuxCalls(self, arguments, self.cpu.abi)
        self.fault: BaseException | None = None
        image = load_segments(program.read_bytes(), architecture)
        self.machine = self.cpu.machine()
        for start, data, size in image.segments:
            low, high = start // PAGE * PAGE, -(-(start + size) // PAGE) * PAGE
            self.map(low, high - low)
            self.write(start, data)
        self.map(self.cpu.stack_top - _STACK_SIZE, _STACK_SIZE)
        if self.cpu.helpers:
            self.map(HELPERS, PAGE)
            for offset, code in self.cpu.helpers.items():
                self.write(HELPERS + offset, code)
        self.entry = image.entry
        auxiliary = [
            (_AUX_PHDR, image.headers),
            (_AUX_PHENT, image.header_size),
            (_AUX_PHNUM, image.header_count),
            (_AUX_PAGE, PAGE),
            (_AUX_ENTRY, image.entry),
            (_AUX_HWCAP, self.cpu.capabilities),
            (_AUX_HWCAP2, self.cpu.more_capabilities),
            (_AUX_SECURE, 0),
        ]
        stack = self._stack([str(program), *arguments], auxiliary)
        self.machine.reg_write(self.cpu.stack, stack)
        self.machine.hook_add(_engine.UC_HOOK_INTR, self._interrupt)

    def run(self) -> Finished:
        """Emulate until the program exits."""
        try:
            self.machine.emu_start(self.entry, 0)
        except _engine.UcError as error:
            place = self.machine.reg_read(self.cpu.place)
            raise CompileError(
                f"{self.name} crashed under unicorn at {place:#x}: {error}"
            ) from None
        finally:
            self.linux.close_all()
        if self.fault is not None:
            raise self.fault
        texts = (bytes(self.linux.captured[k]).decode(errors="replace") for k in (1, 2))
        return Finished(self.linux.code or 0, *texts)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.machine.mem_read(address, size))

    def write(self, address: int, data: bytes) -> None:
        self.machine.mem_write(address, data)

    def map(self, start: int, size: int) -> None:
        """Map the pages that are not yet mapped; adjacent segments may share a page."""
        for first, last, _ in self.machine.mem_regions():
            if first < start + size and start <= last:
                if start < first:
                    self.map(start, first - start)
                start, size = last + 1, start + size - last - 1
                if size <= 0:
                    return
        self.machine.mem_map(start, size)

    def unmap(self, start: int, size: int) -> None:
        self.machine.mem_unmap(start, size)

    def _stack(self, arguments: list[str], auxiliary: list[tuple[int, int]]) -> int:
        """Write the initial stack of a Linux process; return its address."""
        top = self.cpu.stack_top - 16
        self.write(top, bytes(range(16)))  # AT_RANDOM: nothing here is secret
        auxiliary = [*auxiliary, (_AUX_RANDOM, top), (0, 0)]
        pointers = []
        for text in arguments:
            data = os.fsencode(text) + b"\0"
            top -= len(data)
            self.write(top, data)
            pointers.append(top)
        words = [len(pointers), *pointers, 0, 0]  # no environment
        words += [word for pair in auxiliary for word in pair]
        data = self.cpu.abi.words(words)
        place = (top - len(data)) // 16 * 16
        self.write(place, data)
        return place

    def _interrupt(self, machine: Any, number: int, data: object) -> None:
        """Handle a system call; any other exception stops the machine and is reported after it."""
        try:
            place = machine.reg_read(self.cpu.place)
            wide_arm = self.cpu.kind == _engine.UC_ARCH_ARM64
            if wide_arm and number == UNDEFINED and execute(machine, self.read(place, 4)):
                machine.reg_write(self.cpu.place, place + 4)
                return
            if number != self.cpu.system_call:
                raise CompileError(
                    f"{self.name} raised exception {number} under unicorn at {place:#x}"
                )
            call = machine.reg_read(self.cpu.number)
            values = [machine.reg_read(register) for register in self.cpu.arguments]
            result = self.linux.call(call, values)
            mask = (1 << 8 * self.cpu.abi.word) - 1
            machine.reg_write(self.cpu.arguments[0], result & mask)
            if self.linux.thread_pointer:
                machine.reg_write(arm_const.UC_ARM_REG_C13_C0_3, self.linux.thread_pointer)
            if self.linux.code is not None:
                machine.emu_stop()
        except UnknownCall as unknown:
            self.fault = CompileError(
                f"{self.name} made system call {unknown}, which the emulation inside n2uqc does "
                "not know; install qemu-user (apt install qemu-user)"
            )
            machine.emu_stop()
        except BaseException as error:  # unicorn would discard it
            self.fault = error
            machine.emu_stop()
