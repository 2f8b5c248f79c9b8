"""The manifest of a saved artifact, and its files, read without trusting either."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from n2uqc.frontend.bounded_file import read_bounded
from n2uqc.frontend.diagnostics import CompileError, Problem, cut
from n2uqc.frontend.escape import plain, unprintable

from .cross import CROSS

FORMAT = "n2uqc artifact 1"
MANIFEST = "manifest.json"
PROGRAM = "program.n2uq"

_DTYPES = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_FACTS: dict[str, type] = {
    "kernels": list,
    "needs": list,
    **dict.fromkeys(
        (
            "target",
            "architecture",
            "triple",
            "cpu",
            "emulated",
            "driver",
            "library",
            "function",
            "exchange",
        ),
        str,
    ),
}
"""Types of the facts that commands read from the manifest of a binary."""

_WORDS = frozenset(("triple", "cpu", "emulated", "function", "exchange"))
_WORD = re.compile(r"([A-Za-z0-9_][\w.+-]*)?", re.ASCII)
"""Form of the facts that are passed to command lines of tools; it excludes options."""


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """Return the manifest of a saved artifact.

    Raises:
        CompileError: it does not exist, is damaged, or is of another version.
    """
    path = Path(folder, MANIFEST)
    hint = "compile the network again with `n2uqc compile MODEL --target T -o DIR`"
    try:
        manifest = json.loads(read_bounded(path).decode("utf-8"))
        facts = _FACTS if "driver" in manifest else {}
        wrong = manifest["format"] != FORMAT or not (
            all(isinstance(manifest[name], form) for name, form in facts.items())
            and all(map(_is_tensor, (*inputs_of(manifest), *outputs_of(manifest)) if facts else ()))
            and all(isinstance(manifest.get(name, ""), str) for name in ("emulated", "no_driver"))
            and all(isinstance(need, str) for need in manifest.get("needs", ()))
            and all(isinstance(file["sha256"], str) for file in manifest["files"].values())
            and all(map(_inside, manifest["files"]))
            and all(_WORD.fullmatch(manifest[name]) for name in _WORDS & facts.keys())
            and (not facts or manifest["architecture"] in CROSS)
        )
    except OSError as error:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} holds no n2uqc artifact: {path.name}: {error.strerror}",
                hint=hint,
            )
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        wrong = True
    if wrong:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(path)} is damaged, or of another version of n2uqc",
                hint=hint,
            )
        )
    return dict(manifest)


def inputs_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a binary's manifest says of its inputs, in order."""
    return _ends_of(manifest, "input")


def outputs_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a binary's manifest says of its outputs, in order."""
    return _ends_of(manifest, "output")


def _ends_of(manifest: Mapping[str, Any], what: str) -> list[dict[str, Any]]:
    found = (
        manifest[f"{what}s"] if f"{what}s" in manifest else [manifest[what]]
    )  # of older artifacts
    if not isinstance(found, list) or not found:
        raise TypeError(f"no {what}s")
    return found


def _is_tensor(tensor: Any) -> bool:
    """Return whether a manifest's description of a tensor has the types that `run` reads."""
    numbers = (*tensor["shape"], tensor["min"], tensor["max"])
    return (
        len(tensor["shape"]) == 3
        and all(type(number) is int and abs(number) < 2**64 for number in numbers)
        and min(tensor["shape"]) > 0
        and tensor["dtype"] in _DTYPES
        and isinstance(tensor["name"], str)
    )


def _inside(name: str) -> bool:
    """Return whether a path in a manifest is valid: relative and inside the folder."""
    path = PurePosixPath(name)
    return (
        not unprintable(name)
        and str(path) == name
        and not (path.is_absolute() or ".." in path.parts or "\\" in name or name == ".")
    )


def file_path(folder: Path | str, name: str) -> Path:
    """Return the path of a file of a saved artifact, with links resolved.

    Raises:
        CompileError: it is outside the folder or no ordinary file.
    """
    root = Path(folder).resolve()
    try:
        path = (root / name).resolve()
        fits = _inside(name) and path.is_relative_to(root) and (path.is_file() or not path.exists())
    except (OSError, ValueError):  # too long for a path, or a NUL in it
        fits = False
    if not fits:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{cut(plain(name))} is no file inside the artifact {plain(folder)}",
                hint="compile the network again",
            )
        )
    return path


def read_file(folder: Path | str, manifest: Mapping[str, Any], name: str) -> bytes:
    """Return a file of a saved artifact, checked against its hash.

    Raises:
        CompileError: the file is missing, was changed, or is outside the folder.
    """
    path = file_path(folder, name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CompileError(f"{plain(path)}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != manifest["files"].get(name, {}).get("sha256"):
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(path)} is not the file that the manifest names: its hash differs",
                hint="compile the network again",
            )
        )
    return data


class MissingFile(CompileError, KeyError):
    """A file that a manifest does not list."""


class Files(Mapping[str, bytes]):
    """The files of a saved artifact by path;
    each is read on access and checked against its hash.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._folder, self._manifest = folder, manifest

    def __getitem__(self, name: str) -> bytes:
        if name not in self._manifest["files"]:
            raise MissingFile(
                Problem(
                    node="",
                    op="",
                    found=f"{plain(self._folder / MANIFEST)} does not list {cut(plain(name))}",
                    hint="it is damaged: compile the network again",
                )
            )
        return read_file(self._folder, self._manifest, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._manifest["files"])

    def __len__(self) -> int:
        return len(self._manifest["files"])
