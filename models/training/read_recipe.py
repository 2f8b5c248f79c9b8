"""A TOML file, or a dict of the same form, as a `Recipe`; every error names file and key."""

from __future__ import annotations

import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from n2uqc.frontend.bounded_file import read_bounded
from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from .data_formats import FORMATS, CsvData
from .recipe import LayerBits, Recipe, RecipeError, Settings

S = TypeVar("S", bound=Settings)

IN_MEMORY = "the recipe"
"""How messages call a recipe that is no file."""

_LONGEST = 80  # characters of a value in a message
_MOST = float(np.finfo(np.float32).max)
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def read_recipe(source: Path | str | Mapping[str, Any], output: Path | None = None) -> Recipe:
    """Read a recipe.

    Args:
        source: a TOML file, whose folder its paths are relative to, or what such a file holds,
            relative to the working folder.
        output: folder of the results, instead of the recipe's.

    Raises:
        RecipeError: the file cannot be read or is no TOML; a key is unknown or missing, a value is
            of another type or out of range, a file does not exist. All faults of keys at once.
    """
    if isinstance(source, Mapping):
        return recipe_of(source, IN_MEMORY, Path(), output)
    path = Path(source)
    return recipe_of(read_toml(path), plain(path), path.parent, output)


def recipe_of(
    table: Mapping[str, Any], file: str, folder: Path, output: Path | None = None
) -> Recipe:
    """Return the recipe of what a TOML file holds.

    Args:
        table: the content.
        file: how messages call it.
        folder: what its paths are relative to.
        output: folder of the results, instead of the recipe's.

    Raises:
        RecipeError: as for `read_recipe`.
    """
    given = dict(table) if output is None else {**table, "output": str(output.absolute())}
    return settings_of(Recipe, given, file, folder)


def settings_of(kind: type[S], table: Mapping[str, Any], file: str, folder: Path) -> S:
    """Return the values of a table, checked against the fields of a kind of settings.

    Args:
        kind: `Recipe`, or another kind of `Settings`.
        table, file, folder: as for `recipe_of`.

    Raises:
        RecipeError: as for `read_recipe`.
    """
    reader = TableReader(file, folder)
    settings = reader.settings(kind, table)
    if reader.faults or settings is None:
        raise RecipeError(reader.message())
    return settings


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        RecipeError: it cannot be read, or is none.
    """
    try:
        return tomllib.loads(read_bounded(path).decode("utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read {plain(path)}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{plain(path)}: not a text file in UTF-8") from None
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits are no TOMLDecodeError
        raise RecipeError(f"{plain(path)}: no TOML: {cut(plain(error))}") from None


class Wrong(Exception):
    """A value that its key cannot have."""


class TableReader:
    """One pass over tables as dataclasses, which collects what is wrong with them.

    Args:
        file: how messages call where they stand.
        folder: what paths are relative to.

    Attributes:
        faults: what was wrong so far, a key and a text each.
    """

    def __init__(self, file: str, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.faults: list[str] = []

    def message(self) -> str:
        """Return all faults, a line each."""
        return "\n".join(f"{self.file}: {fault}" for fault in self.faults)

    def settings(self, kind: type[S], table: Mapping[str, Any]) -> S | None:
        """Return the settings; None, or some to be thrown away, if there are faults."""
        own = {"file": self.file, "folder": self.folder}
        for name in sorted(own.keys() & table.keys()):
            self._unknown(name, name, ())
        given = {name: value for name, value in table.items() if name not in own}
        settings = self.table(kind, given, "", own)
        return settings if isinstance(settings, kind) else None

    def table(
        self, kind: Any, given: Any, at: str, own: Mapping[str, Any] | None = None
    ) -> Any | None:
        """Return a table as an object of a dataclass; None if it has faults."""
        if not isinstance(given, Mapping):
            self.faults.append(f"{at}: {shown(given)}; it is a table, [{at}]")
            return None
        values = dict(own or {})
        before = len(self.faults)
        known = {each.name: each for each in fields(kind) if each.name not in values}
        hints = get_type_hints(kind)
        for name in given:
            if name not in known:
                self._unknown(_joined(at, str(name)), str(name), known)
        for name, each in known.items():
            key = _joined(at, name)
            if name in given:
                try:
                    values[name] = self._value(hints[name], given[name], key, each)
                except Wrong as wrong:
                    self.faults.append(f"{key}: {wrong}")
            elif each.default is MISSING and each.default_factory is MISSING:
                self.faults.append(f"{key} is missing{_meaning(kind, name)}")
        return kind(**values) if len(self.faults) == before else None

    def _unknown(self, key: str, name: str, known: Iterable[str]) -> None:
        near = get_close_matches(name, list(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        self.faults.append(f"{plain(key)}: no such key; {hint}" if known else f"{key}: no such key")

    def _value(self, kind: Any, given: Any, key: str, each: Field[Any]) -> Any:
        """Return a value as the type of its field; raise Wrong for another one."""
        if get_origin(kind) in (Union, types.UnionType):
            parts = [part for part in get_args(kind) if part is not type(None)]
            if set(parts) == set(FORMATS.values()):
                return self._data(given, key)
            (kind,) = parts
        if kind is LayerBits and isinstance(given, int) and not isinstance(given, bool):
            given = {"activation": given, "weight": given}
        if is_dataclass(kind):
            return self.table(kind, given, key)
        if get_origin(kind) is Mapping:
            return self._mapping(get_args(kind)[1], given, key, each)
        if get_origin(kind) is tuple:
            if not isinstance(given, list | tuple) or not given:
                raise Wrong(f"{shown(given)}; it is a list such as [1, 2]")
            return tuple(self._value(get_args(kind)[0], one, key, each) for one in given)
        if get_origin(kind) is Literal:
            return _one_of(given, get_args(kind))
        if kind is Path:
            return self.path(given, key)
        return _plain_value(kind, given, each)

    def _mapping(self, kind: Any, given: Any, key: str, each: Field[Any]) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise Wrong(f"{shown(given)}; it is a table, [{key}]")
        if kind is Any:
            return dict(given)
        return {
            name: self._value(kind, one, f'{key}."{name}"', each) for name, one in given.items()
        }

    def _data(self, given: Any, key: str) -> Any:
        if not isinstance(given, Mapping):
            raise Wrong(f"{shown(given)}; it is a table, [{key}]")
        if "format" not in given:
            raise Wrong(f"format is missing; there are {', '.join(FORMATS)}")
        try:
            form = _one_of(given["format"], tuple(FORMATS))
        except Wrong as wrong:
            raise Wrong(f"format: {wrong}") from None
        rest = {name: value for name, value in given.items() if name != "format"}
        found = self.table(FORMATS[form], rest, key)
        if isinstance(found, CsvData) and found.shape is not None and len(found.shape) != 2:
            raise Wrong("shape: it is [channels, length]")
        return found

    def path(self, given: Any, key: str) -> Path:
        """Return a path, relative to the file's folder; raise Wrong if nothing usable is there."""
        if not isinstance(given, str) or not given or "\0" in given:
            raise Wrong(f"{shown(given)}; it is a path")
        try:
            path = self.folder / Path(given).expanduser()
            exists = path.exists()
        except (OSError, RuntimeError) as error:  # a name that is too long; no such user's folder
            reason = getattr(error, "strerror", None) or error
            raise Wrong(f"{shown(given)}: {plain(reason)}") from None
        name = cut(plain(path), 2 * _LONGEST)
        if key != "output" and not exists:
            raise Wrong(f"there is no file or folder {name}")
        if key == "output" and path.is_file():
            raise Wrong(f"{name} is a file; a folder is wanted")
        if exists and not (path.is_file() or path.is_dir()):
            raise Wrong(f"{name} is a pipe or a device")
        return path


def _plain_value(kind: Any, given: Any, each: Field[Any]) -> Any:
    if isinstance(given, int) and abs(given) >= 1 << 63:
        raise Wrong(f"{shown(given)}; it is a number below 2^63")
    if kind is float and isinstance(given, int) and not isinstance(given, bool):
        given = float(given)
    if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
        raise Wrong(f"{shown(given)}; it is {_WORDS[kind]}")
    if isinstance(given, float) and not math.isfinite(given):
        raise Wrong(f"{given}; it is a finite number")
    if isinstance(given, float) and abs(given) > _MOST:
        raise Wrong(f"{given}; it is at most {_MOST:.3g}, what float32 holds")
    limits = each.metadata
    if names := limits.get("names"):
        return _one_of(given, names())
    if kind in (int, float):
        for limit, holds, words in (
            ("least", given >= limits.get("least", given), "at least"),
            ("most", given <= limits.get("most", given), "at most"),
            ("above", "above" not in limits or given > limits["above"], "greater than"),
            ("below", "below" not in limits or given < limits["below"], "less than"),
        ):
            if not holds:
                raise Wrong(f"{given}; it is {words} {limits[limit]}")
    return given


def _one_of(given: Any, names: tuple[str, ...]) -> str:
    if given in names:
        return str(given)
    near = get_close_matches(given, names, n=1) if isinstance(given, str) else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise Wrong(f"{shown(given)}; {hint}there are {', '.join(names)}")


def _joined(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def shown(value: Any) -> str:
    """Return a value as messages show it."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = "a number of thousands of digits"
    return cut(plain(text), _LONGEST)


def _meaning(kind: Any, name: str) -> str:
    """Return what a key means, from the docstring of its table."""
    for line in (kind.__doc__ or "").splitlines():
        keys, colon, meaning = line.strip().partition(": ")
        if colon and name in keys.split(", "):
            return f": {meaning.rstrip('.;')}"
    return ""
