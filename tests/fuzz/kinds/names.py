"""Hostile names, through every route to every artifact and to the terminal."""

from __future__ import annotations

import os
import random
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from n2uqc.cli import main
from n2uqc.passes.program import Interface, Port, Program
from n2uqc.passes.program.store import to_bytes
from tests.properties.programs import programs

from .. import corpus
from ..draw.network import random_network
from ..drawing import drawn
from ..hostile import HOSTILE, MARK
from ..judge import Wrong
from ..mutate.model import names, rename
from ..workers import Limits, Say
from .input_kind import Kind, Setup

_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that must not reach a terminal: control characters and text direction marks."""

_COMMANDS = (
    ("inspect", "MODEL"),
    ("inspect", "MODEL", "--json"),
    ("compile", "MODEL", "--target", "program", "-o", "OUT.n2uq"),
    ("compile", "MODEL", "--target", "host", "-o", "OUT"),
    ("compile", "MODEL", "--target", "fpga", "-o", "OUT"),
    ("cost", "MODEL", "--html", "OUT.html"),
    ("simulate", "MODEL", "--input", "X", "--output", "OUT.npy"),
)


class Names(Kind):
    """A model or a saved program, under a strange file name, through one command."""

    def prepare(self, setup: Setup) -> None:
        self.programs: list[Program] = [p for p, _ in drawn(programs(), 11, 12) if len(p.ops) < 9]

    def draw(self, source: random.Random) -> bytes:
        """Draw the number of the command (the first byte) and the file."""
        command = bytes([source.randrange(len(_COMMANDS))])
        if source.random() < 0.4:
            return command + self._program(source)
        model = corpus.parsed(random_network(source.getrandbits(64)).SerializeToString())
        for _ in range(source.choice((1, 2, 4))):
            self._renamed(model, source)
        return command + model.SerializeToString()

    def _renamed(self, model: onnx.ModelProto, source: random.Random) -> None:
        graph, new = model.graph, source.choice(HOSTILE)
        match source.randrange(6):
            case 0:
                graph.name = new
            case 1:
                rename(graph, graph.input[0].name, new)
            case 2:
                rename(graph, graph.output[0].name, new)
            case 3:
                source.choice(graph.node).name = new
            case 4:
                model.producer_name = model.doc_string = new
            case _:
                rename(graph, source.choice(names(graph)[:-2]), new)

    def _program(self, source: random.Random) -> bytes:
        program, new = source.choice(self.programs), source.choice(HOSTILE)
        face = program.interface
        match source.randrange(5):
            case 0:
                program = replace(program, name=new)
            case 1:
                program = replace(
                    program, interface=Interface((Port(new, face.input.shape),), face.outputs)
                )
            case 2:
                program = replace(
                    program, interface=Interface(face.inputs, (Port(new, face.output.shape),))
                )
            case 3:
                ops = tuple(replace(op, origin=(new,)) for op in program.ops)
                program = replace(program, ops=ops)
            case _:
                program = replace(program, notes=(new,), metadata={"model": new})
        return to_bytes(program)

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        command, content = _COMMANDS[content[0]], content[1:]
        os.chdir(place)
        before = set(Path("/tmp").glob(f"*{MARK}*"))
        stem = _file_name(content)
        model = place / f"{stem}.{'n2uq' if content[:2] == b'PK' else 'onnx'}"
        model.write_bytes(content)
        x = place / "x.npy"
        np.save(x, np.zeros((1, 1, 1, 1), np.float32))
        words = {"MODEL": str(model), "X": str(x)}
        line = [words.get(w, w).replace("OUT", str(place / "out")) for w in command]
        shown = [_Redirected(number, place / f"shown{number}") for number in (1, 2)]
        try:
            with warnings.catch_warnings():
                status = main(line)
        finally:
            said = [stream.end() for stream in shown]
        if status == 3:
            raise Wrong(f"internal error of {command[0]}: {said[1]}")
        for name, text in zip(("stdout", "stderr"), said, strict=True):
            if found := _RAW.search(text):
                raise Wrong(f"{command[0]} prints {found[0]!r} raw to {name}")
        _artifacts(place, before, command[0])
        return f"{command[0]}: {'done' if status == 0 else 'refused'}"

    def smaller(self, content: bytes) -> Iterator[bytes]:
        from ..shrink import smaller_models

        for rest in smaller_models(content[1:]):
            yield content[:1] + rest


def _file_name(content: bytes) -> str:
    """Return a file name, for every fourth file a hostile one."""
    source = random.Random(content)
    if source.random() < 0.75:
        return "net"
    return re.sub(r"[/\0]", "_", source.choice(HOSTILE))[:60].strip(". ") or "net"


def _artifacts(place: Path, before: set[Path], command: str) -> None:
    """Check that no name was executed, and that no name changed the meaning of a written text."""
    ran = [*place.rglob(MARK), *({*Path("/tmp").glob(f"*{MARK}*")} - before)]
    if ran:
        raise Wrong(f"{command} ran or wrote what a name says: {ran[0]}")
    for path in place.rglob("*"):
        if not path.is_file() or path.suffix not in (".html", ".c", ".h", ".txt", ".cmake", ".v"):
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".html" and (f"<script>{MARK}" in text or f"onerror={MARK}>" in text):
            raise Wrong("the report has a name for markup")
        if path.suffix in (".c", ".h", ".v") and re.search(rf"^\s*#\s*error {MARK}", text, re.M):
            raise Wrong("a source has a name for a line of its own")
        if path.suffix == ".txt" and path.name != "CMakeLists.txt" and (found := _RAW.search(text)):
            raise Wrong(f"{path.name} has {found[0]!r} raw")


class _Redirected:
    """A file descriptor that is redirected to a file."""

    def __init__(self, number: int, path: Path) -> None:
        import sys

        self.number, self.path, self.kept = number, path, os.dup(number)
        (sys.stdout if number == 1 else sys.stderr).flush()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)

    def end(self) -> str:
        import sys

        (sys.stdout if self.number == 1 else sys.stderr).flush()
        os.dup2(self.kept, self.number)
        os.close(self.kept)
        text = self.path.read_bytes().decode("utf-8", "replace")
        self.path.unlink()
        return text


NAMES = Names(
    "hostile names",
    full=500,
    share=0.08,
    brief=5,
    batch=25,
    limits=Limits(address_space=False),
)
