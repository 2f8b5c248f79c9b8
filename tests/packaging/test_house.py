"""Links, layers, light imports, file sizes, names, spelling, and what README and CI promise."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("frontend", "passes", "backends", "models", "studies")
HEAVY = ("tvm", "torch", "onnx", "onnx_ir", "numpy", "sklearn", "matplotlib", "rich", "networkx")

BRITISH = re.compile(
    r"(recogn|normal|initial|optim|summar|random|serial|vector|quant|real|special|minim|maxim|organ)"
    r"is(e[drs]?|ing|ation)\b|synthesis(e[drs]?|ing)\b|analys(e[dr]?|ing)\b|labelled(?!by)|"
    r"(behavi|neighb|col|fav|hon)our|modell(ed|ing)|cancell(ed|ing)|artefact|judgement|catalogue|"
    r"\bcentres?\b|\bgrey|licence\b|\bprogrammes?\b|whilst",
    re.IGNORECASE,
)
PREPOSITIONS = frozenset(
    "Of By For With To From As In On At Behind Beside Before After Between Without Under Over Into "
    "Through Against Within Per Along Above Below Until Where When".split()
)


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


def test_no_file_is_called_base() -> None:
    assert not [file for file in _tracked() if file.name == "base.py"]


def test_a_class_name_is_used_once() -> None:
    """`reference.py` has no choice: `onnx.reference` finds an operator by the name of its class."""
    places: dict[str, list[str]] = {}
    for file in _tracked():
        if file.suffix == ".py" and file.parts[0] in (*FOLDERS, "n2uqc"):
            for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.ClassDef)
                    and not node.name.startswith("_")
                    and "OpRun" not in map(ast.unparse, node.bases)
                ):
                    places.setdefault(node.name, []).append(str(file))
    assert not {name: files for name, files in places.items() if len(files) > 1}


def test_spelling_is_american() -> None:
    suffixes = {".py", ".md", ".j2", ".c", ".h", ".toml", ".yml", ".yaml"}
    found = {
        f"{file}: {match[0]}"
        for file in _tracked()
        if file.suffix in suffixes and file != Path(__file__).relative_to(ROOT)
        for match in BRITISH.finditer((ROOT / file).read_text(encoding="utf-8"))
    }
    assert not found


def test_no_docstring_begins_with_a_preposition() -> None:
    found = {
        f"{file}: {text.splitlines()[0]}"
        for file in _tracked()
        if file.suffix == ".py"
        for text in _docstrings(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if text.split()[0].rstrip(",.:;") in PREPOSITIONS
    }
    assert not found


def _tracked() -> list[Path]:
    """Return the files under version control, or all files of the project where git is missing."""
    try:
        done = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        folders = (*FOLDERS, "n2uqc", "tests", "benchmarks")
        return [f.relative_to(ROOT) for d in folders for f in (ROOT / d).rglob("*") if f.is_file()]
    return [Path(line) for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def _docstrings(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


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
