"""What decides the result of a point, and its hash: settings, data, code, versions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from n2uqc.models.training.data_formats import ImportedData
from n2uqc.models.training.recipe import Recipe
from n2uqc.version import __version__

_PACKAGES = ("torch", "numpy", "scipy", "onnx", "onnx-ir", "onnxruntime", "apache-tvm")
_SUFFIXES = (".py", ".c", ".h", ".j2", ".onnx", ".json")
_NO_RESULTS = ("commands", "console", "studies", "__pycache__")
"""Folders of the package that no figure depends on."""


def key_of(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what decides a result."""
    return hashlib.sha256(json_values(identity).encode()).hexdigest()


def json_values(values: Mapping[str, Any]) -> str:
    """Return JSON values as the one text that equal ones have."""
    return json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)


@cache
def code_version() -> str:
    """Return version, hash of the sources, and versions of the packages that results depend on."""
    package = Path(__file__).parents[2]
    parts = [f"n2uqc {__version__} {_hash_of_files(package)[:16]}"]
    for name in _PACKAGES:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts)


def recipe_identity(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON values, with the hash of each file and folder that it names in place
    of its path: where they lie does not matter.

    Raises:
        OSError: one cannot be read.
    """
    chosen = asdict(recipe)
    for name in ("file", "folder", "output", "tensorboard"):
        del chosen[name]
    values: dict[str, Any] = json.loads(
        json.dumps(chosen, default=lambda path: hash_of_path(path.resolve()))
    )
    return values


def module_hashes(recipe: Recipe) -> dict[str, str]:
    """Return hashes of the Python files behind a recipe's import paths.

    Raises:
        OSError: one cannot be read.
    """
    found: dict[str, str] = {}
    for source in (recipe.data, recipe.test):
        if isinstance(source, ImportedData):
            found |= _hashes_of_module(recipe.folder, source.dataset, source.arguments)
    if recipe.network.factory:
        arguments = recipe.network.arguments
        found |= _hashes_of_module(recipe.folder, recipe.network.factory, arguments)
    if recipe.teacher and ":" in (recipe.teacher.network or ""):
        arguments = recipe.teacher.arguments
        found |= _hashes_of_module(recipe.folder, str(recipe.teacher.network), arguments)
    return found


@cache
def hash_of_path(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files in a folder; read once in a process."""
    if path.is_dir():
        return _hash_of_files(path, None)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of_files(folder: Path, suffixes: tuple[str, ...] | None = _SUFFIXES) -> str:
    """Return the SHA-256 of the files in a folder and those below: their paths and bytes."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        if suffixes is None or path.suffix in suffixes:
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in _NO_RESULTS)
        yield from (Path(place, name) for name in names)


def _hashes_of_module(folder: Path, path: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return hashes of the Python files that an import path may load, and of files that its
    arguments name.

    A module beside the recipe may import what lies there too, so all of that counts.
    """
    module = path.partition(":")[0]
    top = module.partition(".")[0]
    found = {}
    if top == "n2uqc":  # whose code counts already, but for the studies
        if (spec := find_spec(module)) is not None and spec.origin:
            found[module] = hash_of_path(Path(spec.origin))
    elif (folder / f"{top}.py").is_file() or (folder / top).is_dir():
        for file in sorted([*folder.glob("*.py"), *(folder / top).rglob("*.py")]):
            found[file.relative_to(folder).as_posix()] = hash_of_path(file.resolve())
    elif (spec := find_spec(top)) is not None and spec.origin:
        origin = Path(spec.origin)
        whole = spec.submodule_search_locations is not None
        found[top] = _hash_of_files(origin.parent, (".py",)) if whole else hash_of_path(origin)
    for value in arguments.values():
        if isinstance(value, str) and (folder / value).is_file():
            found[value] = hash_of_path((folder / value).resolve())
    return found
