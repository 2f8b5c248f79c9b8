"""Artifacts for processors: library, header and driver."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from n2uqc.frontend.diagnostics import CompileError, Problem, cut
from n2uqc.frontend.escape import plain, shell

from .artifact import Artifact
from .manifest import file_path, inputs_of, outputs_of, read_file, read_manifest

if TYPE_CHECKING:
    from n2uqc.passes.program.named import Named, Runner


TOOLCHAIN = "cmake/toolchain.cmake"


@dataclass(frozen=True, repr=False)
class Binary(Artifact):
    """A library, header and driver for a processor; the driver runs here or emulated."""

    concurrent: ClassVar[bool] = True

    def describe(self) -> str:
        return "\n".join(size_lines(self.facts, len(self.files[self.facts["library"]])))

    def next_step(self, folder: Path) -> str:
        if not self.facts["driver"]:
            library, header = (shell(folder / self.facts[name]) for name in ("library", "header"))
            return f"link it: {library}, which {header} declares"
        lines = [f"run it: n2uqc run {shell(folder)} --input IMAGES.npy"]
        if any(name.startswith("example/") for name in self.files):
            cross = TOOLCHAIN in self.files
            path = shell((folder / TOOLCHAIN).absolute())
            options = f" -DCMAKE_TOOLCHAIN_FILE={path}" if cross else ""
            example, build = shell(folder / "example"), shell(folder / "build")
            lines.append(
                f"call it from C: cmake -S {example} -B {build}{options} && cmake --build {build}"
            )
        return "\n".join(lines)

    def runner(self) -> Runner:
        from n2uqc.passes.program import Interface, Port, Runner

        face = Interface(
            *(
                tuple(Port(tensor["name"], tuple(tensor["shape"])) for tensor in tensors)
                for tensors in (inputs_of(self.facts), outputs_of(self.facts))
            )
        )
        if self.folder is not None:
            return Runner(face, partial(run_driver, self.folder))

        def run(x: Named) -> Named:
            with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
                return run_driver(self.save(Path(place, "artifact")), x)

        return Runner(face, run)


def run_driver(folder: Path | str, x: Named) -> dict[str, NDArray[np.int64]]:
    """Run the driver of a saved artifact; see ``Artifact.run``.

    Args:
        folder: folder of the artifact.
        x: integers of each input's type by name, (N, H, W, C).
    """
    from n2uqc.passes.program.boundary import require_integers

    from .emulation import run_program

    folder = Path(folder)
    manifest = read_manifest(folder)
    sources, results = inputs_of(manifest), outputs_of(manifest)
    for tensor in sources:
        require_integers(x[tensor["name"]], tuple(tensor["shape"]), (tensor["min"], tensor["max"]))
    require_driver(manifest)
    read_file(folder, manifest, manifest["driver"])
    raw = manifest.get("exchange") == "raw"
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
        paths = [
            [
                Path(place, f"{letter}{k or ''}.{'raw' if raw else 'npy'}")
                for k in range(len(tensors))
            ]
            for letter, tensors in (("x", sources), ("y", results))
        ]
        for path, tensor in zip(paths[0], sources, strict=True):
            write_samples(path, x[tensor["name"]], tensor, raw)
        done = run_program(
            file_path(folder, manifest["driver"]),
            [str(path) for group in paths for path in group],
            manifest["architecture"],
            manifest.get("emulated", ""),
            manifest.get("needs", ()),
        )
        if done.code:
            raise CompileError(f"the driver failed with code {done.code}: {done.errors.strip()}")
        count = len(x[sources[0]["name"]])
        return {
            tensor["name"]: _read_samples(path, tensor, raw, count)
            for path, tensor in zip(paths[1], results, strict=True)
        }


def require_driver(manifest: Mapping[str, Any]) -> None:
    """Check that an artifact can be run here.

    Raises:
        CompileError: it is a library only, too large for the board of the demonstration.
    """
    if not manifest["driver"]:
        reason = cut(plain(manifest.get("no_driver", "")))
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"a library without a program that runs it: {reason}",
                hint="link it into a program for a larger chip, or run the network with "
                "`n2uqc simulate`, or compiled for host",
            )
        )


def write_samples(path: Path, x: NDArray[Any], tensor: Mapping[str, Any], raw: bool) -> None:
    """Write a batch of an input's type for a driver, as .npy or as raw numbers."""
    taken = np.ascontiguousarray(x, dtype=np.dtype(tensor["dtype"]).newbyteorder("<"))
    path.write_bytes(taken.tobytes()) if raw else np.save(path, taken)


def _read_samples(
    path: Path, tensor: Mapping[str, Any], raw: bool, count: int
) -> NDArray[np.int64]:
    y: NDArray[Any] = (
        np.fromfile(path, np.dtype(tensor["dtype"]).newbyteorder("<")) if raw else np.load(path)
    )
    if raw:
        y = y.reshape(-1, *tensor["shape"])
    if y.shape != (count, *tensor["shape"]) or y.dtype != tensor["dtype"]:
        raise CompileError(f"the driver wrote {y.dtype} {y.shape}")
    return y.astype(np.int64)


def size_lines(facts: Mapping[str, Any], library_bytes: int) -> list[str]:
    """Return lines about the memory that an artifact takes, with lower bounds.

    Args:
        facts: facts of the artifact.
        library_bytes: size of its static library.
    """
    workspace, bound = facts["workspace_bytes"], facts["workspace_lower_bound"]
    shared = len(facts["in_place"])
    lines = [
        f"workspace {workspace:,} bytes; {bound:,} are in use at once"
        + (
            f"; {shared} kernels write over an input"
            if shared > 1
            else "; one kernel writes over an input"
            if shared
            else ""
        ),
        f"library   {library_bytes:,} bytes, {facts['constant_bytes']:,} of them constants; "
        f"weights and tables carry {facts['information_bytes']:,} bytes of information",
    ]
    if "memory" in facts:
        chip = facts["memory"]
        stack = f"a call takes {chip['library_stack_bytes']:,} of stack"
        lines.append(
            f"chip      {chip['flash_bytes']:,} bytes of flash and {chip['ram_bytes']:,} of RAM "
            f"for the demonstration; {stack}"
            if "flash_bytes" in chip
            else f"chip      {chip['library_flash_bytes']:,} bytes of flash; {stack}"
        )
    if "no_driver" in facts:
        lines.append(f"no demonstration: {facts['no_driver']}")
    return lines
