"""A library and its header: two models in one program, and what never links."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from n2uqc.backends import compile as compile_program
from n2uqc.backends import read_manifest
from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes.program import Program, run
from n2uqc.passes.program.names import symbol_part
from tests.properties.programs import Builder

FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def _program(seed: int) -> Program:
    """One of a family with the same interface and other weights."""
    b = Builder(seed, 4, 3, 4, True)
    return replace(b.finish(b.conv("x", 5, bits=3)), name="net")


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Program, Path]]:
    """Two models, each under a name of its own and both under one."""
    place = tmp_path_factory.mktemp("models")
    return {
        key: (program, compile_program(program, "host", name=name).save(place / key))
        for key, program, name in (
            ("left", _program(1), "left"),
            ("right", _program(2), "right"),
            ("one", _program(1), None),
            ("other", _program(2), None),
        )
    }


def _call(symbol: str) -> str:
    macro = symbol.upper()
    return f"""
#include "{symbol}.h"
#include <stdio.h>
static _Alignas(64) unsigned char scratch_{symbol}[{macro}_WORKSPACE_BYTES];
static _Alignas(8) {symbol}_input in_{symbol}[{macro}_INPUT_COUNT];
static _Alignas(8) {symbol}_output out_{symbol}[{macro}_OUTPUT_COUNT];
void call_{symbol}(void);
void call_{symbol}(void)
{{
    for (int k = 0; k < {macro}_INPUT_COUNT; k++)
        in_{symbol}[k] = ({symbol}_input)(k % 8);
    printf("%d", {symbol}_run(in_{symbol}, out_{symbol}, scratch_{symbol}));
    for (int k = 0; k < {macro}_OUTPUT_COUNT; k++)
        printf(" %lld", (long long)out_{symbol}[k]);
    puts("");
}}
"""


def _main(*symbols: str) -> str:
    declared = "".join(f"void call_{s}(void);\n" for s in symbols)
    called = "".join(f"    call_{s}();\n" for s in symbols)
    return f"{declared}int main(void)\n{{\n{called}    return 0;\n}}\n"


def _build(place: Path, parts: dict[str, Path], libraries: list[Path], *flags: str) -> str:
    """Compile a caller for each symbol against its include folder, link; "" or the errors."""
    objects = []
    for symbol, include in parts.items():
        source = place / f"{symbol}.c"
        source.write_text(_call(symbol))
        objects.append(place / f"{symbol}.o")
        command = ["gcc", *FLAGS, *flags, f"-I{include}", "-c", source, "-o", objects[-1]]
        subprocess.run(command, check=True)
    (place / "main.c").write_text(_main(*parts))
    command = ["gcc", *FLAGS, *flags, place / "main.c", *objects, *libraries, "-o", place / "app"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def _expected(program: Program) -> str:
    kind = program.types[program.input]
    x = (np.arange(np.prod(kind.shape)) % 8).reshape(1, *kind.shape)
    return " ".join(map(str, [0, *run(program, x).ravel()]))


def _library(folder: Path) -> Path:
    return folder / str(read_manifest(folder)["library"])


def test_two_models_in_one_program(named: dict[str, tuple[Program, Path]], tmp_path: Path) -> None:
    pair = [named["left"], named["right"]]
    folders = [folder for _, folder in pair]
    parts = {f"n2uqc_{f.name}": f / "include" for f in folders}
    assert _build(tmp_path, parts, [_library(f) for f in folders]) == ""
    done = subprocess.run([tmp_path / "app"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [_expected(program) for program, _ in pair]


@pytest.mark.parametrize(
    "flags",
    [["-O0"], ["-O2"], ["-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]],
)
def test_a_header_of_another_program_does_not_link(
    flags: list[str], named: dict[str, tuple[Program, Path]], tmp_path: Path
) -> None:
    (_, one), (_, other) = named["one"], named["other"]
    assert _library(one).name == _library(other).name == "libn2uqc_net.a"
    parts = {"n2uqc_net": one / "include"}
    assert _build(tmp_path, parts, [_library(one)], *flags) == ""
    errors = _build(tmp_path, parts, [_library(other)], *flags)
    assert "undefined reference" in errors
    assert str(read_manifest(one)["program_symbol"]) in errors


def test_two_models_of_one_name_do_not_link(
    named: dict[str, tuple[Program, Path]], tmp_path: Path
) -> None:
    """Each caller has its own header: the linker must not take the first library for both."""
    (_, one), (_, other) = named["one"], named["other"]
    text = _call("n2uqc_net")
    for name, folder in (("a", one), ("b", other)):
        source = tmp_path / f"{name}.c"
        source.write_text(text.replace("call_n2uqc_net", f"call_{name}"))
        command = ["gcc", "-c", source, f"-I{folder / 'include'}", "-o", tmp_path / f"{name}.o"]
        subprocess.run(command, check=True)
    (tmp_path / "main.c").write_text(_main("a", "b"))
    objects = [tmp_path / "a.o", tmp_path / "b.o", _library(one), _library(other)]
    command = ["gcc", tmp_path / "main.c", *objects, "-o", tmp_path / "app"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode
    assert "multiple definition of `n2uqc_net_run'" in done.stderr


def test_the_function_by_its_address_is_held_too(
    named: dict[str, tuple[Program, Path]], tmp_path: Path
) -> None:
    (_, one), (_, other) = named["one"], named["other"]
    source = tmp_path / "pointer.c"
    source.write_text(
        '#include "n2uqc_net.h"\n'
        "int (*volatile f)(const n2uqc_net_input *, n2uqc_net_output *, void *) = n2uqc_net_run;\n"
        "int main(void) { return f(0, 0, 0) == N2UQC_NET_NULL_POINTER ? 0 : 1; }\n"
    )
    command = ["gcc", source, f"-I{one / 'include'}", "-o", tmp_path / "app"]
    subprocess.run([*command, _library(one)], check=True)
    subprocess.run([tmp_path / "app"], check=True)
    assert subprocess.run([*command, _library(other)], capture_output=True).returncode


@pytest.mark.parametrize("source", ["source/n2uqc_net_main.c", "example/example.c"])
def test_driver_and_example_do_not_run_another_program(
    source: str, named: dict[str, tuple[Program, Path]], tmp_path: Path
) -> None:
    """Not even where somebody gave the library the right symbol."""
    (_, one), (_, other) = named["one"], named["other"]
    symbols = [str(read_manifest(folder)["program_symbol"]) for folder in (other, one)]
    library = tmp_path / "lib.a"
    shutil.copy(_library(other), library)
    subprocess.run(["objcopy", "--redefine-sym", "=".join(symbols), library], check=True)
    command = ["gcc", one / source, f"-I{one / 'include'}", library, "-o", tmp_path / "app"]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "app"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "the library holds another program than its header says" in done.stderr


@pytest.mark.parametrize(
    "name", ["", "Net", "a-b", "ü", "a__b", "_a", "x" * 61, "*/ int x; /*", "a\n"]
)
def test_a_name_that_cannot_be_a_symbol(name: str) -> None:
    with pytest.raises(CompileError, match="cannot be part of a C symbol"):
        compile_program(_program(1), "host", name=name)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("resnet-18 (2 bit)", "resnet_18_2_bit"),
        ("Ünï/../x", "n_x"),
        ("…", "network"),
        ("x" * 300, "x" * 60),
        ("net_real", "net_real_net"),
        ("Net observed", "net_observed_net"),
        ("descriptor", "descriptor_net"),
        ("unreal", "unreal"),
    ],
)
def test_names_become_parts_of_symbols(name: str, part: str) -> None:
    assert symbol_part(name) == part


def test_no_header_has_the_name_of_another_networks(tmp_path: Path) -> None:
    """Whatever their files are called, two networks share the descriptor's type alone."""
    headers: list[str] = []
    for k, name in enumerate(("net", "net_real", "net observed", "descriptor")):
        program = replace(_program(k), name=name)
        folder = compile_program(program, "host").save(tmp_path / f"{k}")
        headers += [path.name for path in (folder / "include").iterdir()]
    assert {h for h in headers if headers.count(h) > 1} == {"n2uqc_descriptor.h"}
    with pytest.raises(CompileError, match="choose 'net_real_net' or another"):
        compile_program(_program(1), "host", name="net_real")
