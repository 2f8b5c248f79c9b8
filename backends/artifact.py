"""Artifacts, the results of backends: folders of files with a manifest, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, overload

from n2uqc.frontend.diagnostics import CompileError, Problem, cut
from n2uqc.frontend.escape import json_text, plain, shell, unprintable
from n2uqc.frontend.sheet import Column

from .toolchain import CROSS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Batch, Named, Runner

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


@dataclass(frozen=True, repr=False)
class Artifact:
    """A compiled program.

    Attributes:
        files: content by path in the folder (``include/net.h``), without the manifest.
        executables: files that are executable.
        facts: content of the manifest besides the files: target, types, scales, memory, versions,
            kernels.
        folder: folder of a saved artifact that was opened; None for one in memory.
    """

    is_folder: ClassVar[bool] = True

    files: Mapping[str, bytes]
    executables: frozenset[str]
    facts: Mapping[str, Any]
    folder: Path | None = None

    def __repr__(self) -> str:
        place = "" if self.folder is None else f" in {self.folder}"
        return plain(
            f"<{type(self).__name__} for {self.facts.get('target')}{place}, {len(self.files)} "
            f"files: {', '.join(sorted(self.files)[:4])}{', …' if len(self.files) > 4 else ''}>"
        )

    def _repr_html_(self) -> str:
        from n2uqc.frontend.html_sheet import HtmlSheet

        sheet = HtmlSheet()
        sheet.line(f"{type(self).__name__} for {self.facts.get('target')}")
        sheet.block(self.describe())
        rows = [(name, len(self.files[name])) for name in sorted(self.files)]
        sheet.table((Column("file", left=True), Column("bytes")), rows)
        return str(sheet)

    @property
    def program(self) -> Program:
        """The program that was compiled."""
        from n2uqc.passes.program import load

        stored = self.files[PROGRAM]  # reading checks the hash
        if self.folder is not None:
            return load(file_path(self.folder, PROGRAM))
        with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
            path = Path(place, PROGRAM)
            path.write_bytes(stored)
            return load(path)

    def describe(self) -> str:
        """Return its sizes as text for users; "" if there is nothing to report."""
        return ""

    def next_step(self, folder: Path) -> str:
        """Return a line that tells users what to do with the saved artifact;
        "" if there is none.
        """
        return ""

    def runner(self) -> Runner:
        """Return a function that runs it on any number of batches; see ``run``."""
        raise NotImplementedError

    @overload
    def run(self, x: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def run(self, x: Named) -> dict[str, NDArray[Any]]: ...
    def run(self, x: Batch) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Compute a batch.

        Args:
            x: integers of each input's type and range, (N, H, W, C), any integer dtype, by name; a
                bare array where there is one input and one output.

        Returns:
            The outputs by name, int64 (N, H, W, C); the only one for a bare array.

        Raises:
            InputError: an input is missing or too much, or of a wrong dtype, shape or range.
            CompileError: the artifact is damaged, or a tool to run it is missing or failed.
        """
        return self.runner()(x)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest: all facts and the hashes of the files, as JSON values."""
        files = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(self.files.items())
        }
        return {"format": FORMAT, **self.facts, "files": files}

    def save(self, folder: Path | str) -> Path:
        """Write the artifact as a folder, which replaces an older artifact; create parent folders.

        All files are written to a temporary folder, which is then renamed, so a failure leaves the
        older artifact.

        Raises:
            CompileError: the folder is not an artifact.
            OSError: the folder cannot be written.
        """
        folder = Path(folder)
        require_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o777 & ~umask)
            text = json_text(self.manifest)
            for name, data in {**self.files, MANIFEST: text.encode()}.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                (temporary / name).write_bytes(data)
                if name in self.executables:
                    (temporary / name).chmod(0o777 & ~umask)
            _replace(folder, temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder


def _replace(folder: Path, new: Path) -> None:
    """Replace a folder by another; restore it if that fails."""
    if not folder.exists():
        new.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        folder.rename(aside / "old")
        try:
            new.rename(folder)
        except OSError:
            (aside / "old").rename(folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def require_replaceable(folder: Path) -> None:
    """Check that a path may be replaced by an artifact: nothing else would be lost.

    Raises:
        CompileError: something else exists there; the message says what to do.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    hint = "choose another folder, or remove this one yourself"
    if folder.is_symlink() or not folder.is_dir():
        raise CompileError(
            Problem(node="", op="", found=f"{plain(folder)} is there and is no folder", hint=hint)
        )
    if not any(folder.iterdir()):
        return
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    try:
        known = {MANIFEST, *read_manifest(folder)["files"]}
        known |= {parent.as_posix() for name in known for parent in PurePosixPath(name).parents}
    except CompileError:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} is not empty and holds no n2uqc artifact",
                hint=hint,
            )
        ) from None
    if strange := sorted(there - known):
        if "Makefile" in known:
            hint = f"what its Makefile built goes by `make -C {shell(folder)} clean`; or {hint}"
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"{plain(folder)} holds files that n2uqc did not write: "
                f"{plain(', '.join(strange[:5]))}{' …' if len(strange) > 5 else ''}",
                hint=hint,
            )
        )


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """Return the manifest of a saved artifact.

    Raises:
        CompileError: it does not exist, is damaged, or is of another version.
    """
    path = Path(folder, MANIFEST)
    hint = "compile the network again with `n2uqc compile MODEL --target T -o DIR`"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        facts = _FACTS if "driver" in manifest else {}
        wrong = manifest["format"] != FORMAT or not (
            all(isinstance(manifest[name], form) for name, form in facts.items())
            and all(map(_is_tensor, (*inputs_of(manifest), *outputs_of(manifest)) if facts else ()))
            and isinstance(manifest.get("emulated", ""), str)
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


class Files(Mapping[str, bytes]):
    """The files of a saved artifact by path;
    each is read on access and checked against its hash.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._folder, self._manifest = folder, manifest

    def __getitem__(self, name: str) -> bytes:
        if name not in self._manifest["files"]:
            raise KeyError(name)
        return read_file(self._folder, self._manifest, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._manifest["files"])

    def __len__(self) -> int:
        return len(self._manifest["files"])
