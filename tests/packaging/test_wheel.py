"""The wheel holds every file of the five folders, under the one import package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("frontend", "passes", "backends", "models", "studies")
SHIPPED = {".py", ".c", ".h", ".j2", ".md", ".onnx", ".json"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    place = tmp_path_factory.mktemp("wheel")
    skip = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "out", "*.egg-info")
    shutil.copytree(ROOT, place / "source", symlinks=True, ignore=skip)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "-q",
            "-w",
            str(place),
            str(place / "source"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = place.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_folder_is_in_the_wheel(wheel: zipfile.ZipFile, folder: str) -> None:
    wanted = {
        f"n2uqc/{file.relative_to(ROOT)}"
        for file in (ROOT / folder).rglob("*")
        if file.suffix in SHIPPED and "__pycache__" not in file.parts
    }
    assert wanted
    assert not wanted - set(wheel.namelist())


def test_the_wheel_claims_one_name_only(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"n2uqc"}


def test_the_wheel_has_the_command_the_license_and_the_types(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    [entries] = [name for name in names if name.endswith("entry_points.txt")]
    assert "n2uqc = n2uqc.cli:main" in wheel.read(entries).decode()
    assert any(name.endswith("LICENSE") for name in names)
    assert "n2uqc/py.typed" in names
    assert "n2uqc/commands/compile.py" in names


def test_nothing_compiled_or_generated_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert not [name for name in wheel.namelist() if name.endswith((".pyc", ".so", ".o"))]
