"""Hostile names in files, and of files, through every command to the terminal."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.frontend.escape import plain
from n2uqc.passes.program import dump, load, save
from tests.hostile import CANARY, HIDDEN, PRINTABLE, acts
from tests.properties.programs import Builder

from .conftest import Command, Result


def _clean(done: Result) -> Result:
    """What both streams hold are lines of text, none of which a name began."""
    for text in (done.out, done.err):
        assert not acts(text)
    assert "\nn2uqc: error: lines" not in done.err
    return done


def _renamed(model: Path, place: Path, name: str) -> Path:
    """The network with the name in those of its input, output, nodes and tensors."""
    proto = onnx.load(model)
    ends = {proto.graph.input[0].name: f"{name}in", proto.graph.output[0].name: f"{name}out"}
    for value in (proto.graph.input[0], proto.graph.output[0]):
        value.name = ends[value.name]
    for k, node in enumerate(proto.graph.node):
        node.name = f"{name}{k}"
        for names in (node.input, node.output):
            names[:] = [ends.get(n, n) for n in names]
    del proto.graph.value_info[:]
    path = place / "net.onnx"
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from n2uqc.models import shipped

    return _renamed(shipped.path("digits_2bit"), tmp_path_factory.mktemp("hostile"), PRINTABLE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["inspect", "--json"],
        ["cost"],
        ["cost", "--json"],
        ["compile", "--target", "fpga", "-o", "out"],
        ["compile", "--target", "host", "-v", "-o", "out"],
        ["verify", "--executors", "interpreter,host", "--samples", "2"],
    ],
    ids=lambda a: "_".join(a[:3]).replace("-", ""),
)
def test_printable_names_are_shown_as_they_are(
    arguments: list[str],
    hostile: Path,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = _clean(command(arguments[0], hostile, *arguments[1:]))
    assert done.status == 0, done.err
    assert not [p for p in tmp_path.iterdir() if p.name != "out"]
    if "--json" in arguments:
        assert PRINTABLE in json.dumps(json.loads(done.out), ensure_ascii=False).replace(
            "\\\\", "\\"
        ).replace('\\"', '"')
    elif arguments[0] in ("inspect", "cost"):
        flat = "".join(done.out.split())
        assert "[bold]CANARY[/bold]:warning:" in flat


@pytest.mark.parametrize("name", HIDDEN)
def test_names_that_act_are_refused_where_they_are_read(
    name: str, model: Path, command: Command, tmp_path: Path
) -> None:
    done = _clean(command("inspect", _renamed(model, tmp_path, name)))
    assert done.status == 2
    assert "holds U+" in done.err


def _edited(program: Path, place: Path, old: str, new: str) -> Path:
    """A saved program with other text in it."""
    path = place / "edited.n2uq"
    with zipfile.ZipFile(program) as given, zipfile.ZipFile(path, "w") as made:
        for item in given.namelist():
            data = given.read(item)
            if item == "program.txt":
                assert old in data.decode()
                data = data.decode().replace(old, new).encode()
            made.writestr(item, data)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    b = Builder(1, 4, 3, 4, True)
    path = tmp_path_factory.mktemp("small") / "small.n2uq"
    save(b.finish(b.conv("x", 5, bits=3)), path)
    return path


@pytest.mark.parametrize("action", [["inspect"], ["inspect", "--json"], ["cost"], ["verify"]])
@pytest.mark.parametrize("name", HIDDEN)
def test_names_in_a_saved_program(
    name: str, action: list[str], small: Path, command: Command, tmp_path: Path
) -> None:
    head = dump(load(small), inline=False).splitlines()[0]
    edited = _edited(small, tmp_path, head, f"program {name}")
    done = _clean(command(action[0], edited, *action[1:]))
    # A line's end cuts the name; what is behind it is no line of a program.
    assert done.status == 2 and "not a readable n2uqc program" in done.err
    done = _clean(
        command(
            "inspect", _edited(small, tmp_path, 'interface "', f"interface {json.dumps(name)[:-1]}")
        )
    )
    assert done.status == 2 and "holds U+" in done.err


def test_a_printable_name_in_a_saved_program_runs_nowhere(
    small: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = dump(load(small), inline=False).splitlines()[0]
    bomb = f"*/ #error {CANARY}\n".strip()
    edited = _edited(small, tmp_path, head, f"program {bomb} {PRINTABLE}")
    for arguments in (
        ["compile", edited, "--target", "host", "-o", "out"],
        ["verify", edited, "--executors", "interpreter,host", "--samples", "2"],
        ["inspect", edited],
        ["cost", edited],
    ):
        done = _clean(command(*arguments))
        assert done.status == 0, done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["edited.n2uq", "out"]


@pytest.mark.parametrize("name", [n for n in HIDDEN if "\x00" not in n])
def test_names_of_files(
    name: str, model: Path, small: Path, command: Command, tmp_path: Path
) -> None:
    """Names of networks (also missing ones), programs, outputs and samples are shown escaped."""
    copy = tmp_path / f"{name}.onnx"
    shutil.copy(model, copy)
    missing = _clean(command("inspect", tmp_path / f"no{name}.onnx"))
    assert missing.status == 2 and plain(name) in missing.err
    saved = tmp_path / f"{name}.n2uq"
    done = _clean(command("compile", copy, "--target", "program", "-o", saved))
    assert done.status == 0, done.err
    assert done.out == f"wrote {plain(saved)}\n"
    assert f"n{load(saved).name}".isidentifier()
    assert _clean(command("inspect", saved)).status == 0
    bad = tmp_path / f"{name}.npy"
    bad.write_bytes(b"no array")
    done = _clean(command("simulate", small, "--input", bad, "--output", tmp_path / "y.npy"))
    assert done.status == 2 and plain(name) in done.err
    done = _clean(command("compile", small, "--target", name, "-o", tmp_path / "o"))
    assert done.status == 2
    folder = tmp_path / f"{name}.d"
    folder.mkdir()
    (folder / "mine").touch()
    done = _clean(command("compile", small, "--target", "host", "-o", folder))
    assert done.status == 2 and plain(folder) in done.err


def test_what_a_driver_says_is_text(small: Path, command: Command, tmp_path: Path) -> None:
    """The driver belongs to an artifact whose manifest was written by somebody else."""
    import hashlib

    folder = compile_program(load(small), "host").save(tmp_path / "net")
    manifest = json.loads((folder / "manifest.json").read_text())
    driver = folder / manifest["driver"]
    driver.write_text("#!/bin/sh\nprintf '\\033[2J\\r\\302\\233' >&2; exit 3\n")
    manifest["files"][driver.name]["sha256"] = hashlib.sha256(driver.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    program = load(small)
    kind = program.interface.input.shape
    np.save(tmp_path / "x.npy", np.zeros((1, *kind), np.float32))
    done = _clean(command("run", folder, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy"))
    assert done.status == 2 and "\\u001b[2J" in done.err and "\\u009b" in done.err
