"""Artifacts, the results of backends: folders of files with a manifest, written atomically."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, overload

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import json_text, plain, shell
from n2uqc.frontend.sheet import Column, Sheet
from n2uqc.frontend.write import naming

from .manifest import FORMAT, MANIFEST, PROGRAM, file_path, read_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.passes.program import Program
    from n2uqc.passes.program.named import Batch, Named, Runner


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
    concurrent: ClassVar[bool] = False
    """Whether several threads may call a runner: each call is a process of its own."""

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
        self.write(sheet)
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

    def write(self, sheet: Sheet) -> None:
        """Write what ``describe`` returns on a sheet."""
        for line in self.describe().splitlines():
            sheet.line(line, 10)

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
                with naming(folder / name):
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
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
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
