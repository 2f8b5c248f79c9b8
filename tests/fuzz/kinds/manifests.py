"""Damaged JSON: the manifest of an artifact that is run, and the folding of a datapath."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np

from n2uqc.backends import compile as compile_program
from n2uqc.backends import run_artifact
from n2uqc.backends.fpga import Folding, build_pipeline, default_folding
from n2uqc.backends.manifest import MANIFEST, PROGRAM, read_file, read_manifest
from n2uqc.passes.program import load, run
from tests.properties.programs import programs

from ..compare import corners
from ..drawing import drawn
from ..judge import Skip, Wrong
from ..mutate.json_text import damaged_json
from ..workers import Limits, Say
from .input_kind import Kind, Setup

_TRAP = "x"  # the name of a program beside the artifact that must not run (see json_text.VALUES)


class Manifests(Kind):
    """Manifests of a program for this machine: nothing outside the artifact's folder may be run."""

    def prepare(self, setup: Setup) -> None:
        program = drawn(programs(), 7, 1)[0][0]
        self.artifact = compile_program(program, "host").save(setup.folder / "artifact")
        self.text = (self.artifact / MANIFEST).read_text()
        (self.x,) = corners(program).values()
        self.want = run(program, self.x)

    def draw(self, source: random.Random) -> bytes:
        return damaged_json(self.text, source)

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        folder = place / "artifact"
        for path in self.artifact.rglob("*"):
            to = folder / path.relative_to(self.artifact)
            to.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.name != MANIFEST:
                os.link(path, to)
        (folder / MANIFEST).write_bytes(content)
        trap = place / _TRAP
        trap.write_text(f"#!/bin/sh\ntouch {place}/sprung\n")
        trap.chmod(0o755)
        try:
            manifest = read_manifest(folder)
            if "driver" not in manifest:
                return "no program"
            read_file(folder, manifest, PROGRAM)
            load(folder / PROGRAM)
            found = run_artifact(folder, self.x)
        finally:
            if (place / "sprung").exists():
                raise Wrong("a manifest had a program outside its folder run")
        if not np.array_equal(found, self.want):
            raise Wrong("an artifact with a damaged manifest ran and gave other outputs")
        return "ran"


class Foldings(Kind):
    """Foldings of a random program: refused, or a pipeline of these numbers."""

    def prepare(self, setup: Setup) -> None:
        self.programs = [program for program, _ in drawn(programs(), 9, 8)]
        self.texts = [default_folding(program).to_json() for program in self.programs]

    def draw(self, source: random.Random) -> bytes:
        k = source.randrange(len(self.texts))
        return bytes([k]) + damaged_json(self.texts[k], source)

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        program = self.programs[content[0]]
        try:
            text = content[1:].decode()
        except UnicodeDecodeError:  # `read_text` refuses such files
            raise Skip from None
        folding = Folding.from_json(text, program)
        again = Folding.from_json(folding.to_json(), program)
        if again != folding:
            raise Wrong("a folding reads back as another one")
        build_pipeline(program, folding)
        return "folded"

    def smaller(self, content: bytes) -> Any:
        for rest in super().smaller(content[1:]):
            yield content[:1] + rest


MANIFESTS = Manifests(
    "manifests",
    full=1_500,
    share=0.02,
    brief=20,
    suffix=".json",
    limits=Limits(address_space=False),
)
FOLDINGS = Foldings("foldings", full=1_500, share=0.01, brief=40, suffix=".json")
