"""Saved programs: read back alike, and refused in one way whatever is wrong with them."""

from __future__ import annotations

import random
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import n2uqc
from n2uqc.passes.program import Program, StoreError, dump, load, run, save, store

from ...properties.programs import Builder

WILD = ("0", "-1", "1", "2", "3", "7", "64", "65", str(2**31), str(2**63), str(10**30), "-5")


@pytest.fixture(scope="module")
def program() -> Program:
    b = Builder(0, 6, 4, 2, False)
    y = b.requantize(b.conv("x", 8, bits=2))
    y = b.thresholds(b.prelu(y), 2)
    return b.finish(b.conv(y, 4, bits=3, stride=2))


@pytest.fixture(scope="module")
def members(program: Program, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("store") / "p.n2uq"
    save(program, path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _written(path: Path, members: dict[str, bytes], text: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, text if name == "program.txt" else data)
    return path


def _changed(text: str, rng: random.Random) -> str:
    """One number, line or character is another."""
    kind = rng.random()
    if kind < 0.6:
        number = rng.choice(list(re.finditer(r"-?\d+", text)))
        return text[: number.start()] + rng.choice(WILD) + text[number.end() :]
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    if kind < 0.7:
        return "\n".join(lines[:at] + lines[at + 1 :])
    if kind < 0.8:
        return "\n".join([*lines[:at], rng.choice(lines), *lines[at:]])
    place = rng.randrange(len(text))
    return text[:place] + rng.choice("()[]=,%@ xs") + text[place + 1 :]


def test_it_comes_back(program: Program, members: dict[str, bytes], tmp_path: Path) -> None:
    path = _written(tmp_path / "p.n2uq", members, members["program.txt"].decode())
    assert dump(load(path)) == dump(program)


def test_changed_text_is_refused_or_is_a_legal_program(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    text, outcomes = members["program.txt"].decode(), {True: 0, False: 0}
    for seed in range(400):
        path = _written(tmp_path / "p.n2uq", members, _changed(text, random.Random(seed)))
        try:
            changed = load(path)
        except StoreError:
            outcomes[False] += 1
            continue
        kind = changed.types[changed.input]
        x = np.random.default_rng(0).integers(kind.lo, kind.hi, (1, *kind.shape), endpoint=True)
        run(changed, x)  # raises RangeError if a value leaves its proven range
        outcomes[True] += 1
    assert min(outcomes.values()) > 25


def test_a_program_is_known_by_its_content(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "renamed.bin"
    save(program, path)
    assert dump(n2uqc.load(path)) == dump(program)
    (tmp_path / "cut.n2uq").write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError):
        n2uqc.load(tmp_path / "cut.n2uq")


@pytest.mark.parametrize("bits", [0, 65, 10**30])
def test_widths_that_no_memory_holds(bits: int, members: dict[str, bytes], tmp_path: Path) -> None:
    text = members["program.txt"].decode()
    for kind in (r" : s\d+\[", r" : odd\d+\["):
        name = re.search(kind, text)
        assert name
        wide = text.replace(name[0], re.sub(r"\d+", str(bits), name[0]), 1)
        with pytest.raises(StoreError):
            load(_written(tmp_path / "p.n2uq", members, wide))


def test_changed_bytes_are_refused_or_change_nothing(
    program: Program, members: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "p.n2uq"
    save(program, path)
    whole, same, refused = path.read_bytes(), dump(program), 0
    for seed in range(300):
        rng, data = random.Random(seed), bytearray(whole)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            assert dump(load(path)) == same
        except StoreError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99])
def test_other_ways_of_packing(method: int, members: dict[str, bytes], tmp_path: Path) -> None:
    """Archives of other tools are read, and damaged ones refused alike; 99 is no method."""
    path, known = tmp_path / "p.n2uq", method != 99
    with zipfile.ZipFile(path, "w", method if known else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        places = [info.header_offset + 30 + len(info.filename) for info in archive.infolist()]
    if known:
        load(path)
    whole = path.read_bytes()
    if not known:
        path.write_bytes(re.sub(rb"(?s)(PK\x01\x02.{6})..", lambda m: m[1] + b"\x63\0", whole))
        with pytest.raises(StoreError, match="its archive is damaged"):
            load(path)
        return
    for place in places:
        path.write_bytes(whole[:place] + b"\xff" * 9 + whole[place + 9 :])
        with pytest.raises(StoreError):
            load(path)


def test_files_that_unpack_to_too_much_are_not_unpacked(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(program, tmp_path / "p.n2uq")
    monkeypatch.setattr(store, "_MOST_BYTES", 100)
    with pytest.raises(StoreError, match="unpacks to"):
        load(tmp_path / "p.n2uq")


def test_constants_are_held_against_their_own_hashes(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    """Bits that a ZIP archive knows nothing of: it was packed anew, with right checksums."""
    text = members["program.txt"].decode()
    constants = [name for name in members if name.startswith("constants/")]
    assert constants
    for name in constants:
        for at in (0, len(members[name]) // 2):
            data = bytearray(members[name])
            data[at] ^= 1
            changed = {**members, name: bytes(data)}
            with pytest.raises(StoreError, match=f"@{name.removeprefix('constants/')} are not"):
                load(_written(tmp_path / "p.n2uq", changed, text))
    without = re.sub("sha256:[0-9a-f]{16}", "sha256:", text, count=1)
    with pytest.raises(StoreError, match="compile the network again"):
        load(_written(tmp_path / "p.n2uq", members, without))
