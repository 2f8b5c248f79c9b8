"""Execution of a microcontroller's firmware in this process, with the unicorn emulator.

The board has the memories of ``templates/board.ld.j2``, and semihosting (Arm, "Semihosting for
AArch32 and AArch64") instead of devices.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import unicorn
from unicorn import arm_const as arm

from n2uqc.frontend.diagnostics import CompileError, Problem

from ..cross import CROSS
from ..processor import BOARDS, Board
from .elf import load_segments
from .finished import Finished

_engine: Any = unicorn  # unicorn's annotations are incomplete

_BREAKPOINT, _SEMIHOSTING = 7, 0xBEAB  # unicorn's exception number; the operand of `bkpt 0xab`
_MODES = {1: os.O_RDONLY, 5: os.O_WRONLY | os.O_CREAT | os.O_TRUNC}  # "rb", "wb"
_FAILED = 0xFFFF_FFFF

OnBlock = Callable[[Any, int, int, object], None]
"""Called with (machine, address, size in bytes, None) before each basic block."""


def run_firmware(
    program: Path,
    arguments: Sequence[str],
    on_block: OnBlock | None = None,
    board: Board = BOARDS["mps2-an386"],
) -> Finished:
    """Run a firmware until it ends by semihosting.

    Args:
        program: the executable.
        arguments: its command line; it can access no other files.
        on_block: called before every basic block.
        board: the board to emulate.

    Raises:
        CompileError: the file is no such program, it crashed, or it used an unknown operation; or
            unicorn does not have the processor.
    """
    if not board.model:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"unicorn, the emulator found here, has no processor of {board.title}",
                hint=f"apt install {CROSS[board.architecture].emulator_package}",
            )
        )
    run = _Run(program, arguments, board)
    if on_block is not None:
        run.machine.hook_add(_engine.UC_HOOK_BLOCK, on_block)
    return run.run()


class _Run:
    def __init__(self, program: Path, arguments: Sequence[str], board: Board) -> None:
        self.name, self.arguments = program.name, list(arguments)
        self.files: dict[int, int] = {}
        self.text = bytearray()
        self.code: int | None = None
        self.fault: BaseException | None = None
        image = load_segments(program.read_bytes(), "cortex-m")
        self.machine = _engine.Uc(
            _engine.UC_ARCH_ARM, _engine.UC_MODE_THUMB | _engine.UC_MODE_MCLASS
        )
        self.machine.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{board.model}"))
        self.machine.mem_map(board.flash, board.size)
        self.machine.mem_map(board.ram, board.size)
        for start, data, _ in image.segments:
            # The file's content is loaded into flash, whatever its address at run time.
            if start < board.ram:
                self.machine.mem_write(start, data)
        stack, self.entry = struct.unpack("<II", self.machine.mem_read(board.flash, 8))
        self.machine.reg_write(arm.UC_ARM_REG_SP, stack)
        self.machine.hook_add(_engine.UC_HOOK_INTR, self._interrupt)

    def run(self) -> Finished:
        try:
            self.machine.emu_start(self.entry | 1, 0)
        except _engine.UcError as error:
            place = self.machine.reg_read(arm.UC_ARM_REG_PC)
            raise CompileError(
                f"{self.name} crashed under unicorn at {place:#x}: {error}"
            ) from None
        finally:
            for handle in self.files.values():
                os.close(handle)
        if self.fault is not None:
            raise self.fault
        return Finished(self.code or 0, "", self.text.decode(errors="replace"))

    def _interrupt(self, machine: Any, number: int, data: object) -> None:
        """Handle semihosting; any other exception stops the machine and is reported after it."""
        try:
            place = machine.reg_read(arm.UC_ARM_REG_PC)
            code = int.from_bytes(machine.mem_read(place, 2), "little")
            if (number, code) != (_BREAKPOINT, _SEMIHOSTING):
                raise CompileError(
                    f"{self.name} raised exception {number} under unicorn at {place:#x}"
                )
            operation = machine.reg_read(arm.UC_ARM_REG_R0)
            handler = _OPERATIONS.get(operation)
            if handler is None:
                raise CompileError(
                    f"{self.name} asked for the semihosting operation {operation:#x}, which the "
                    "emulation inside n2uqc does not know; apt install qemu-system-arm"
                )
            result = handler(self, machine.reg_read(arm.UC_ARM_REG_R1))
            machine.reg_write(arm.UC_ARM_REG_R0, result & 0xFFFF_FFFF)
            machine.reg_write(arm.UC_ARM_REG_PC, place + 2 | 1)
            if self.code is not None:
                machine.emu_stop()
        except BaseException as error:  # unicorn would discard it
            self.fault = error
            machine.emu_stop()

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.machine.mem_read(address, 4 * count))

    def open(self, block: int) -> int:
        name, mode, length = self._words(block, 3)
        path = os.fsdecode(bytes(self.machine.mem_read(name, length)))
        if path not in self.arguments or mode not in _MODES:
            return _FAILED
        try:
            handle = os.open(path, _MODES[mode] | os.O_CLOEXEC, 0o666)
        except OSError:
            return _FAILED
        number = len(self.files) + 1
        self.files[number] = handle
        return number

    def close(self, block: int) -> int:
        (number,) = self._words(block, 1)
        os.close(self.files.pop(number))
        return 0

    def length(self, block: int) -> int:
        return os.fstat(self.files[self._words(block, 1)[0]]).st_size

    def read(self, block: int) -> int:
        """Return the number of bytes that could not be read."""
        number, address, size = self._words(block, 3)
        data = os.read(self.files[number], size)
        self.machine.mem_write(address, data)
        return size - len(data)

    def write(self, block: int) -> int:
        """Return the number of bytes that could not be written."""
        number, address, size = self._words(block, 3)
        return size - os.write(self.files[number], bytes(self.machine.mem_read(address, size)))

    def print(self, address: int) -> int:
        while byte := self.machine.mem_read(address, 1)[0]:
            self.text.append(byte)
            address += 1
        return 0

    def command_line(self, block: int) -> int:
        buffer, size = self._words(block, 2)
        line = os.fsencode(" ".join(["demo", *self.arguments]))
        if len(line) >= size:
            return _FAILED
        self.machine.mem_write(buffer, line + b"\0")
        self.machine.mem_write(block + 4, len(line).to_bytes(4, "little"))
        return 0

    def exit(self, block: int) -> int:
        self.code = self._words(block, 2)[1] & 0xFF
        return 0


_OPERATIONS: dict[int, Callable[[_Run, int], int]] = {
    0x01: _Run.open,
    0x02: _Run.close,
    0x04: _Run.print,
    0x05: _Run.write,
    0x06: _Run.read,
    0x0C: _Run.length,
    0x15: _Run.command_line,
    0x20: _Run.exit,
}
