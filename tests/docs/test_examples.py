"""Each file of `examples/` runs as its README says, and prints what it is there to show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PRINTS = {
    "digits_on_arm.py": ["20 of 20 digits right", "interpreter's: True", "most is taken by"],
    "quantizers_in_hardware.py": ["digits_4bit on ecp5", "codebook"],
    "tensors_of_a_run.py": ["layer1.0.quan1", "equal", "initiation interval"],
    "own_quantizer.py": ["layer", "in exact arithmetic, 0 mismatches", "verdict  IDENTICAL"],
}


def test_the_readme_names_each_file() -> None:
    named = re.findall(r"^\| \[`(.+?)`\]\((.+?)\)", (EXAMPLES / "README.md").read_text(), re.M)
    assert all(label == link for label, link in named)
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert {link for _, link in named} == files == {*PRINTS, "first_steps.ipynb"}


@pytest.mark.parametrize("name", PRINTS)
def test_scripts(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", EXAMPLES / name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for text in PRINTS[name]:
        assert text in done.stdout, done.stdout
    assert "DIFFERENT" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stored without results, and every cell runs; results have an HTML form."""
    nbformat = pytest.importorskip("nbformat", reason="notebooks need n2uqc[notebooks]")
    client = pytest.importorskip("nbclient", reason="notebooks need n2uqc[notebooks]")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    client.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = [out.data for cell in cells for out in cell.outputs if out.output_type != "stream"]
    assert sum("text/html" in data for data in shown) >= 4
    assert any("0.99" in data["text/plain"] for data in shown)
    assert any("IDENTICAL" in data["text/plain"] + data.get("text/html", "") for data in shown)
