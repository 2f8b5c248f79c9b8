"""Damaged .npy and .npz files: either one error, or images that a program can run."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np

from n2uqc.console.files import read_array
from n2uqc.passes.program import quantize_input, run
from tests.properties.programs import programs

from ..drawing import drawn
from ..mutate.data import NUMBERS, damaged
from ..workers import Say
from .input_kind import Kind, Setup

_DESCRIPTIONS = (
    "<f4 <f8 <f2 >f4 <f16 |u1 <u2 <i8 |O |S5 <U3 |V8 <c8 |b1 <M8[s] <m8 <f99 f4 , 1f4 (2,3)f4"
).split()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Arrays(Kind):
    """Headers and contents of arrays, members of archives."""

    def prepare(self, setup: Setup) -> None:
        self.program = drawn(programs(), 5, 1)[0][0]
        shape = (2, *self.program.interface.input.shape)
        x = np.random.default_rng(0).normal(0, 1, shape)
        arrays = [x.astype(t) for t in (np.float32, np.float64, np.float16, np.uint8, ">f4")]
        arrays += [np.asfortranarray(x.astype(np.float32)), x[:0].astype(np.float32), np.float32(1)]
        self.files = [_npy(np.asarray(a)) for a in arrays]
        for save in (np.savez, np.savez_compressed):
            for names in (("x",), ("x", "y"), ("images",)):
                buffer = io.BytesIO()
                save(buffer, **dict.fromkeys(names, arrays[0]))
                self.files.append(buffer.getvalue())

    def draw(self, source: random.Random) -> bytes:
        content = source.choice(self.files)
        if content.startswith(b"PK"):
            if source.random() < 0.6:
                return damaged(content, source, source.choice(self.files))
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                name = archive.namelist()[0]
                inner = self._header(archive.read(name), source)
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(source.choice((name, "x", "../x.npy", "")) or "x.npy", inner)
            return buffer.getvalue()
        if source.random() < 0.5:
            return self._header(content, source)
        return damaged(content, source, source.choice(self.files))

    def _header(self, content: bytes, source: random.Random) -> bytes:
        """Another dtype, order or shape in the header, its length right or not."""
        size = int.from_bytes(content[8:10], "little")
        text, data = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
        form = source.random()
        if form < 0.4:
            a, _, b = text.partition("'descr': '")
            _, _, b = b.partition("'")
            text = f"{a}'descr': '{source.choice(_DESCRIPTIONS)}'{b}"
        elif form < 0.8:
            a, _, b = text.partition("(")
            inner, _, b = b.partition(")")
            sizes = inner.split(",")
            number = source.choice((*NUMBERS, "1L", "True", "9" * 5000, "-" * 200 + "1", "(" * 200))
            sizes[source.randrange(len(sizes))] = number
            text = f"{a}({','.join(sizes)}){b}"
        else:
            text = source.choice(
                ("", "{}", "[" * 3000, "{'descr': 1}", text * 40, text.replace("F", "t"))
            )
        raw = text.encode("latin-1")
        length = len(raw) + source.choice((0, 0, 0, 0, 1, -1, 60000))
        version = source.choice(
            (b"\x01\x00", b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09")
        )
        width = 2 if version == b"\x01\x00" else 4
        return (
            b"\x93NUMPY"
            + version
            + max(0, length % (1 << 16)).to_bytes(width, "little")
            + raw
            + data
        )

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        path = place / ("x.npz" if content.startswith(b"PK") else "x.npy")
        path.write_bytes(content)
        run(self.program, quantize_input(self.program, read_array(path))[:4])
        return "ran"


ARRAYS = Arrays("arrays", full=3_000, share=0.02, brief=40, suffix=".npy")
