"""The layout holds: links, layers, light imports, file sizes, and what README and CI promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("frontend", "passes", "backends", "models")
HEAVY = ("tvm", "torch", "onnx", "onnx_ir", "numpy", "sklearn", "matplotlib", "rich", "networkx")


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_import_package_links_to_the_folder(folder: str) -> None:
    link = ROOT / "n2uqc" / folder
    assert link.is_symlink()
    assert os.readlink(link) == f"../{folder}"
    assert (link / "__init__.py").is_file()


@pytest.mark.parametrize(
    "action",
    [
        "import n2uqc; dir(n2uqc)",
        "from n2uqc.cli import build_parser; build_parser().format_help()",
    ],
)
def test_starting_loads_nothing_heavy(action: str) -> None:
    done = _python("-c", f"import sys; {action}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def test_every_public_name_loads() -> None:
    done = _python("-c", "import n2uqc\nfor name in n2uqc.__all__: print(getattr(n2uqc, name))")
    assert done.returncode == 0, done.stderr


def test_loading_a_model_needs_neither_tvm_nor_torch() -> None:
    action = (
        "import sys, n2uqc; from n2uqc.models import shipped; "
        "n2uqc.load(shipped.path('digits_2bit')); print(*sys.modules)"
    )
    done = _python("-c", action)
    assert done.returncode == 0, done.stderr
    assert not {"tvm", "torch"} & set(done.stdout.split())


def test_an_unknown_name_is_an_attribute_error() -> None:
    import n2uqc

    with pytest.raises(AttributeError, match="no_such_name"):
        n2uqc.no_such_name  # noqa: B018


def test_imports_follow_the_layers() -> None:
    done = _python(
        "-c",
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_too_long_to_have_one_subject() -> None:
    too_long = {
        str(file.relative_to(ROOT)): lines
        for folder in (*FOLDERS, "n2uqc", "tests", "benchmarks")
        for file in (ROOT / folder).rglob("*.py")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not too_long


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in script
    [command] = re.findall(r"^make .*$", script, re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Tests")[2].partition("\n## ")[0]
    assert f"    {command}\n" in section


def test_the_makefile_finds_the_pinned_torch() -> None:
    done = subprocess.run(
        ["make", "-n", "-B", "venv"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.search(r"'torch==\d+\.\d+\.\d+'", done.stdout)
