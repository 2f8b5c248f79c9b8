"""Objects by import path "package.module:name"; the recipe's folder is looked in first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import plain

from .recipe import Recipe


def imported(recipe: Recipe, key: str, path: str) -> Any:
    """Return the object at an import path.

    Raises:
        RecipeError: the path has another form, the module cannot be imported, or has no such name.
    """
    module, colon, name = path.partition(":")
    if not (colon and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))):
        raise recipe.error(key, f'{plain(path)!r}; an import path is "package.module:name"')
    with _looking_in(recipe.folder):
        try:
            found: Any = import_module(module)
        except Exception as error:  # a module of the user's may raise anything
            raise recipe.error(key, f"importing {module} fails: {_said(error)}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise recipe.error(key, f"{module} has no {name}")
        found = getattr(found, part)
    return found


def called(recipe: Recipe, key: str, function: Any, arguments: dict[str, Any]) -> Any:
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
