"""Hostile names through every artifact: what reads the file sees no code in them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends.cost import compare
from n2uqc.backends.templating import render
from n2uqc.passes.program import IllegalOp, Interface, Program
from tests.hostile import CANARY, HIDDEN, PRINTABLE, acts
from tests.properties.programs import Builder

FPGA_TEMPLATES = Path(__file__).parents[2] / "backends/fpga/rtl/templates"


def _named(name: str) -> Program:
    """A program in which every text that is no identifier is this one."""
    b = Builder(1, 4, 3, 4, True)
    program = b.finish(b.conv("x", 5, bits=3))
    return replace(
        program,
        name=name,
        interface=Interface(
            (replace(program.interface.input, name=name),),
            (replace(program.interface.output, name=name),),
        ),
        ops=tuple(replace(op, origin=(name, f"{name}2")) for op in program.ops),
        metadata={"model_sha256": name},
        notes=(name,),
    )


@pytest.fixture(scope="module", params=["host", "cortex-m4"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = compile_program(_named(PRINTABLE), request.param)
    return made.save(tmp_path_factory.mktemp("hostile") / "net")


_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def test_sources_hold_names_in_comments_and_strings_only(artifact: Path) -> None:
    """The C preprocessor strips comments; linker scripts have the same ones."""
    sources = [p for p in artifact.rglob("*") if p.suffix in (".c", ".h", ".ld")]
    assert len(sources) >= 3
    for path in sources:
        assert not acts(path.read_text()), path
        command = ["gcc", "-std=c11", "-fpreprocessed", "-dD", "-E", "-P", "-x", "c", path]
        left = subprocess.run(command, capture_output=True, text=True, check=True)
        code = _LITERAL.sub('""', left.stdout)
        assert code and not re.search(rf"\b{CANARY}\b", code), path
    assert any(CANARY in path.read_text() for path in sources)


def test_cmake_reads_no_code(artifact: Path, tmp_path: Path) -> None:
    for path in (artifact / "cmake").iterdir():
        assert CANARY in path.read_text()
        assert CANARY not in re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.M)
    (config,) = (artifact / "cmake").glob("*Config.cmake")
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(a C)\n"
        f'find_package({config.stem.removesuffix("Config")} CONFIG REQUIRED PATHS "{config.parent}"'
        " NO_DEFAULT_PATH)\n"
    )
    subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "b"], check=True, capture_output=True)


def test_the_manifest_holds_the_names(artifact: Path) -> None:
    text = (artifact / "manifest.json").read_text()
    assert not acts(text)
    manifest = json.loads(text)
    assert manifest["name"] == manifest["input"]["name"] == manifest["output"]["name"] == PRINTABLE
    for path in artifact.rglob("*"):
        assert re.fullmatch(r"[\w./-]+", str(path.relative_to(artifact)), re.ASCII)


@pytest.mark.parametrize("name", [PRINTABLE, "ends in \\", *HIDDEN])
def test_the_files_around_verilog(name: str, tmp_path: Path) -> None:
    """Their templates, for no program has names such as the hidden ones."""
    source = {"name": "s_axis", "bytes": 3, "tokens": 3, "file": "input.mem"}
    sink = {
        **source,
        "name": "m_axis",
        "per_image": 3,
        "file": "output.mem",
        "stamps": "cycles.mem",
    }
    context = {"images": 3, "sources": [source], "sinks": [sink]}
    context |= {"top": "n2uq_datapath", "keep": "setattr", "program": name}
    bench, makefile = (
        render(FPGA_TEMPLATES, f"{name}.j2", context) for name in ("testbench.cpp", "Makefile")
    )
    (tmp_path / "testbench.cpp").write_text(bench)
    (tmp_path / "Makefile").write_text(makefile)
    command = ["gcc", "-fpreprocessed", "-dD", "-E", "-P", "-x", "c++", tmp_path / "testbench.cpp"]
    left = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert CANARY not in left
    assert '#include "Vn2uq_datapath.h"' in left
    assert "simulates it with" not in left
    done = subprocess.run(
        ["make", "-n", "clean"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["rm -rf build xc7.txt ecp5.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Makefile", "testbench.cpp"]
    assert not acts(bench) and not acts(makefile) - {"\t"}


def test_the_report_holds_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from n2uqc.backends.report import write_html

    program = _named(PRINTABLE)
    write_html(
        [compare(program, name=f"{PRINTABLE}{k}{HIDDEN[k]}") for k in (0, 4)], tmp_path / "r"
    )
    page = (tmp_path / "r").read_text()
    assert not acts(page) - {"\t"}
    texts: list[str] = []
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not any(attribute.startswith("on") for attribute, _ in attrs)
            assert not any(CANARY in attribute for attribute, _ in attrs)

        def handle_data(self, data: str) -> None:
            texts.append(data)

        def handle_comment(self, data: str) -> None:
            texts.append(data)

    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not {"canary", "bold", "img", "iframe", "object", "a:"} & {*tags}
    assert tags.count("script") == 1  # the page's own, which holds no name
    assert CANARY not in page[page.rindex("<script>") :]
    data = (tmp_path / "r.json").read_text() + (tmp_path / "r.csv").read_text()
    assert not acts(data)
    assert PRINTABLE in json.loads((tmp_path / "r.json").read_text())["models"][0]["name"]
    assert any(PRINTABLE in text for text in texts)


@pytest.mark.parametrize("name", HIDDEN)
def test_no_program_has_names_that_act(name: str) -> None:
    with pytest.raises(IllegalOp, match=r"holds U\+[0-9A-F]{4}") as caught:
        compile_program(_named(name), "host")
    assert not acts(str(caught.value))


@pytest.mark.parametrize("what", ["input", "constant", "metadata"])
@pytest.mark.parametrize("name", ["*/", "a b", "", "x\n", "ä", "../x", "$x"])
def test_identifiers_of_a_program(what: str, name: str) -> None:
    program = _named("net")
    if what == "input":
        program = replace(
            program, inputs=(name,), types={**program.types, name: program.types["x"]}
        )
    elif what == "constant":
        constants = {**program.constants, name: next(iter(program.constants.values()))}
        program = replace(program, constants=constants)
    else:
        program = replace(program, metadata={name: "x"})
    with pytest.raises(IllegalOp, match="no identifier"):
        compile_program(program, "host")
