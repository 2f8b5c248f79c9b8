"""Objects by import path "package.module:name" or "file.py:name"; modules are looked for in the
recipe's folder first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

from n2uqc.frontend.escape import plain

from .recipe import Settings


def imported(recipe: Settings, key: str, path: str) -> Any:
    """Return the object at an import path.

    Raises:
        RecipeError: the path has another form, the module cannot be imported, or has no such name.
    """
    module, colon, name = path.rpartition(":")
    file = recipe.folder / module if module.endswith(".py") else None
    parts = name.split(".") if file else [*module.split("."), *name.split(".")]
    if not (colon and all(part.isidentifier() for part in parts)):
        raise recipe.error(
            key, f'{plain(path)!r}; an import path is "package.module:name" or "file.py:name"'
        )
    if file is not None and not file.is_file():
        raise recipe.error(key, f"there is no file {plain(file)}")
    with _looking_in(recipe.folder):
        try:
            found: Any = import_module(module) if file is None else _module_in(file)
        except Exception as error:  # a module of the user's may raise anything
            raise recipe.error(key, f"importing {plain(module)} fails: {_said(error)}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise recipe.error(key, f"{plain(module)} has no {name}")
        found = getattr(found, part)
    return found


def _module_in(file: Path) -> ModuleType:
    """Run a file as a module, which finds others beside it."""
    place = file.absolute()
    name = f"{file.stem}_{crc32(str(place).encode()):08x}"  # no name that another module has
    spec = spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no module")
    module = sys.modules[name] = module_from_spec(spec)
    with _looking_in(place.parent):
        spec.loader.exec_module(module)
    return module


def called(recipe: Settings, key: str, function: Any, arguments: dict[str, Any]) -> Any:
    """Return what a function of the user's returns.

    Raises:
        RecipeError: it cannot be called, or raises an exception.
    """
    if not callable(function):
        raise recipe.error(key, f"{type(function).__name__} cannot be called")
    try:
        with _looking_in(recipe.folder):
            return function(**arguments)
    except Exception as error:
        raise recipe.error(key, f"calling it fails: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {plain(error)}"


@contextmanager
def _looking_in(folder: Path) -> Iterator[None]:
    place = str(folder.absolute())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        if place in sys.path:
            sys.path.remove(place)
