"""What needs no code generator runs without one, and what does need it names what to install."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import n2uqc
from n2uqc.api.errors import PARTS

ROOT = Path(__file__).parents[2]

_BLOCKED = """
import hashlib, os, sys
ABSENT = {"tvm", "tvm_ffi", "torch", "sklearn", "matplotlib", "unicorn"}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
os.environ["PATH"] = ""
import numpy as np
import n2uqc
from n2uqc.models import shipped
path = shipped.path("digits_2bit")
x = np.zeros((2, 1, 8, 8), np.float32)
"""

_WORK = """
program = n2uqc.load(path)
n2uqc.inspect(path)._repr_html_()
n2uqc.inspect(program).text(80)
n2uqc.simulate(program, x).text(80)
certificate = n2uqc.verify(path, samples=4)
assert certificate.identical and certificate.tables
for row in certificate.executors[1:]:
    assert "pip install" in row["not_run"] or "apt install" in row["not_run"], row
assert n2uqc.cost(path).networks[0].comparison.own["lut"] > 0
assert n2uqc.search(program, device="xc7z020").images_per_second > 0
artifact = n2uqc.compile(program, "fpga", rtl=True)
assert any(name.endswith(".v") for name in artifact.files)
print(hashlib.sha256(artifact.files["datapath.json"]).hexdigest())
try:
    n2uqc.compile(program, "aarch64")
except n2uqc.MissingPart as error:
    print(error)
"""


def test_inspection_proof_cost_and_verilog_run_without(model: Path) -> None:
    """The datapath's cycles too, which a compiled simulation counts elsewhere."""
    pytest.importorskip("amaranth", reason="Verilog needs the extra rtl")
    datapath = n2uqc.compile(model, "fpga").files["datapath.json"]
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED + _WORK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
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
