"""Damaged saved programs: refused with one error, or programs that every executor runs alike."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from n2uqc.backends.fpga import simulate
from n2uqc.passes.program import Program, dump, load, parse, run, verify
from n2uqc.passes.program.boundary import real_outputs
from n2uqc.passes.program.named import Named
from n2uqc.passes.program.store import to_bytes
from tests.backends.cpu.host import Host
from tests.properties.awkward import awkward_programs
from tests.properties.programs import programs

from ..compare import corners, small, stored_alike
from ..drawing import drawn
from ..judge import Skip, Wrong
from ..mutate.data import damaged, damaged_text
from ..workers import Say
from .input_kind import Kind, Setup

_TEXT = b"n2uqc text\n"
"""Prefix of program texts in inputs of this kind; no file of the compiler begins with it."""

_EXECUTED = 0.02  # of those that still load, through host build and datapath


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


class Programs(Kind):
    """Bytes, the archive's members, the text in it, and text with its constants."""

    def prepare(self, setup: Setup) -> None:
        some = drawn(programs(), 1, 25) + drawn(awkward_programs(), 2, 15)
        self.programs: list[Program] = [program for program, _ in some]
        self.files = [to_bytes(program) for program in self.programs]

    def draw(self, source: random.Random) -> bytes:
        k = source.randrange(len(self.files))
        content, form = self.files[k], source.random()
        if form < 0.25:
            return damaged(content, source, source.choice(self.files))
        if form < 0.35:
            return _headers(content, source)
        if form < 0.5:
            text = dump(self.programs[k])
            return _TEXT + damaged_text(text, source).encode("utf-8", "replace")
        files = members(content)
        if form < 0.85:
            text = files["program.txt"].decode()
            files["program.txt"] = damaged_text(text, source).encode("utf-8", "replace")
        else:
            _members(files, source, members(source.choice(self.files)))
        method = source.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA))
        return zipped(files, method if form > 0.95 else zipfile.ZIP_DEFLATED)

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        if content in self.files:
            raise Skip
        if content.startswith(_TEXT):
            program = parse(content[len(_TEXT) :].decode("utf-8", "replace"))
            verify(program)
        else:
            path = place / "program.n2uq"
            path.write_bytes(content)
            program = load(path)
        stored_alike(program, place)
        if not small(program):
            return "loaded"
        x = corners(program)
        want = run(program, x)
        real_outputs(program, want)
        if random.Random(content).random() < _EXECUTED:
            _same(Host(program, place)(x), want, "host library")
            _same(dict(simulate(program, x).outputs), want, "datapath")
        return "ran"

    def smaller(self, content: bytes) -> Any:
        try:
            files = members(content)
            lines = files["program.txt"].decode().split("\n")
        except Exception:  # bytes that are no archive
            yield from super().smaller(content)
            return
        for k in range(len(lines)):
            text = "\n".join(lines[:k] + lines[k + 1 :]).encode()
            yield zipped({**files, "program.txt": text})


def _same(found: Named, want: Named, name: str) -> None:
    if any(not np.array_equal(found[port], want[port]) for port in want):
        raise Wrong(f"{name} differs from the interpreter on a program that was read")


def _members(files: dict[str, bytes], source: random.Random, other: dict[str, bytes]) -> None:
    """A member damaged, gone, renamed, of another program, or blown up."""
    name = source.choice(list(files))
    match source.randrange(6):
        case 0:
            files[name] = damaged(files[name], source)
        case 1:
            del files[name]
        case 2:
            files[source.choice(("../x", "/x", "constants/", "format", f"{name}x"))] = files.pop(
                name
            )
        case 3:
            files[name] = other.get(name, b"")
        case 4:
            files[name] += b"\0" * source.choice((1, 1000, 30_000_000))
        case _:
            line = source.choice(
                (b'note "x"\n' * 300_000, b"# " + b"x" * 5_000_000, b"\n" * 4_000_000)
            )
            files["program.txt"] = files.get("program.txt", b"") + line


def _headers(content: bytes, source: random.Random) -> bytes:
    """Return sizes, methods and flags of the archive's directory,
    by which a reader plans its memory.
    """
    found = bytearray(content)
    places = [k for k in range(len(found) - 46) if found[k : k + 4] == b"PK\x01\x02"]
    if not places:
        return bytes(found)
    at = source.choice(places)
    offset, form = source.choice(
        ((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (42, "<I"))
    )
    top = (1 << (16 if form == "<H" else 32)) - 1
    struct.pack_into(
        form, found, at + offset, source.choice((0, 1, 8, 9, 12, 14, 99, top, top >> 1))
    )
    return bytes(found)


PROGRAMS = Programs("program files", full=10_000, share=0.14, brief=25, suffix=".n2uq")
