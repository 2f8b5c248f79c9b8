"""The descriptor: one application runs any network, without knowing it when it is compiled."""

from __future__ import annotations

import ctypes as c
import io
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings

from n2uqc.backends import compile as compile_program
from n2uqc.backends import find_target, read_manifest, toolchain
from n2uqc.passes.program import Program, run
from n2uqc.passes.program.boundary import input_types, output_types
from n2uqc.passes.program.named import Named
from tests.properties.programs import Builder, programs_of_several_ends

from .test_user_builds import WARNINGS, compiler


class Tensor(c.Structure):
    _fields_ = (
        ("name", c.c_char_p),
        ("type", c.c_char_p),
        ("height", c.c_uint32),
        ("width", c.c_uint32),
        ("channels", c.c_uint32),
        ("bytes", c.c_uint32),
        ("min", c.c_int64),
        ("max", c.c_int64),
        ("scale", c.c_double),
    )


class Descriptor(c.Structure):
    _fields_ = (
        ("layout", c.c_uint32),
        ("inputs", c.c_uint32),
        ("outputs", c.c_uint32),
        ("workspace_bytes", c.c_uint32),
        ("workspace_alignment", c.c_uint32),
        ("input", c.POINTER(Tensor)),
        ("output", c.POINTER(Tensor)),
        ("name", c.c_char_p),
        ("program_sha256", c.c_char_p),
        ("run", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_void_p)),
    )


def shared(folder: Path, place: Path) -> Path:
    """Make a shared library of an artifact, as a user would: its descriptor alone is C."""
    (header,) = (p for p in (folder / "include").glob("*_descriptor.h") if p.stem.count("_") > 1)
    source = place / "model.c"
    source.write_text(f'#include "{header.name}"\n')
    library = folder / str(read_manifest(folder)["library"])
    options = ["-std=c11", *WARNINGS, "-shared", "-fPIC", f"-I{folder / 'include'}"]
    subprocess.run(["cc", *options, source, library, "-o", place / "model.so"], check=True)
    return place / "model.so"


class Application:
    """Runs what a descriptor describes; it holds nothing of any network."""

    def __init__(self, library: Path) -> None:
        loaded = c.CDLL(str(library))
        names = subprocess.run(
            ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
        )
        (symbol,) = {n for n in names.stdout.split() if n.endswith("_descriptor")}
        self.of = Descriptor.in_dll(loaded, symbol)
        assert self.of.layout == 1

    def __call__(self, x: Named) -> Named:
        """Run the first sample."""
        ins = [self.of.input[k] for k in range(self.of.inputs)]
        outs = [self.of.output[k] for k in range(self.of.outputs)]
        given = [np.ascontiguousarray(x[t.name.decode()][0], self._dtype(t)) for t in ins]
        assert [a.nbytes for a in given] == [t.bytes for t in ins]
        results = [np.empty((t.height, t.width, t.channels), self._dtype(t)) for t in outs]
        raw = np.zeros(self.of.workspace_bytes + self.of.workspace_alignment, np.uint8)
        space = raw[-raw.ctypes.data % self.of.workspace_alignment :]
        ends = [np.array([a.ctypes.data for a in group], np.uintp) for group in (given, results)]
        assert self.of.run(*(a.ctypes.data for a in (*ends, space))) == 0
        return {t.name.decode(): a[None] for t, a in zip(outs, results, strict=True)}

    @staticmethod
    def _dtype(tensor: Any) -> np.dtype[Any]:
        return np.dtype(tensor.type.decode().removesuffix("_t"))


def test_programs_of_several_ends(tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
    @given(programs_of_several_ends())
    def check(case: tuple[Program, Named]) -> None:
        program, x = case
        place = tmp_path_factory.mktemp("ends")
        folder = compile_program(program, "host").save(place / "net")
        application = Application(shared(folder, place))
        of, first = application.of, {name: array[:1] for name, array in x.items()}
        assert of.program_sha256.decode() == read_manifest(folder)["program_sha256"]
        for described, ends in (
            (of.input, input_types(program)),
            (of.output, output_types(program)),
        ):
            for k, (port, kind) in enumerate(ends):
                tensor = described[k]
                assert (tensor.height, tensor.width, tensor.channels) == kind.shape
                assert (tensor.min, tensor.max) == (kind.lo, kind.hi)
                known = kind.scale is not None and not port.indices
                assert tensor.scale == (float(kind.scale) if known else 0)
        right, found = run(program, first), application(first)
        assert found.keys() == right.keys()
        for name, array in right.items():
            np.testing.assert_array_equal(found[name], array)

    check()


def test_a_tensor_that_is_an_output_twice(tmp_path: Path) -> None:
    """A copy of it has a kernel of its own, and a name that the program does not know."""
    b = Builder(1, 4, 3, 4, True)
    program = b.finish(b.requantize(b.conv("x", 5, bits=3)))
    (port,) = program.interface.outputs
    face = replace(program.interface, outputs=(port, replace(port, name="again")))
    twice = replace(program, interface=face, outputs=program.outputs * 2)
    folder = compile_program(twice, "host").save(tmp_path / "net")
    x = {"x": b.input(1)}
    found = Application(shared(folder, tmp_path))(x)
    for name, array in run(twice, x).items():
        np.testing.assert_array_equal(found[name], array)


def test_one_input_and_output(
    host_artifact: Path, network: Program, samples: np.ndarray, tmp_path: Path
) -> None:
    application = Application(shared(host_artifact, tmp_path))
    (port,) = network.interface.inputs
    (found,) = application({port.name: samples[:1]}).values()
    np.testing.assert_array_equal(found, run(network, samples[:1]))
    assert application.of.run(None, None, None) == 1


@pytest.mark.parametrize("standard", ["c11", "c++11"])
def test_it_compiles(standard: str, host_artifact: Path, tmp_path: Path) -> None:
    (header,) = (host_artifact / "include").glob("n2uqc_*_descriptor.h")
    (tmp_path / "model.c").write_text(f'#include "{header.name}"\n')
    options = [f"-std={standard}", *WARNINGS, f"-I{host_artifact / 'include'}"]
    language = "c++" if "+" in standard else "c"
    command = [*compiler(language), *options, "-c", tmp_path / "model.c", "-o", tmp_path / "o.o"]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("target", ["cortex-m4", "riscv32"])
def test_an_image_at_an_address(target: str, network: Program, tmp_path: Path) -> None:
    """The linker script of the tutorial: the descriptor comes first, nothing is missing."""
    folder = compile_program(network, target).save(tmp_path / "net")
    manifest = read_manifest(folder)
    symbol = str(manifest["function"]).removesuffix("_run")
    (tmp_path / "model.c").write_text(f'#include "{symbol}_descriptor.h"\n')
    (tmp_path / "model.ld").write_text(
        "SECTIONS\n{\n"
        "    .model 0x08100000 : {\n"
        f"        *(.rodata.{symbol}_descriptor) *(.data.rel.ro.{symbol}_descriptor)\n"
        "        *(.rodata*) *(.data.rel.ro*) *(.text*)\n"
        "    }\n}\n"
    )
    toolchain.find(str(manifest["architecture"])).executable(
        [tmp_path / "model.c", folder / manifest["library"]],
        tmp_path / "model.elf",
        [
            *toolchain.find(str(manifest["architecture"])).core(find_target(target).processor.cpu),
            f"-I{folder / 'include'}",
            "-nostdlib",
            "-fdata-sections",
            f"-Wl,-T,{tmp_path / 'model.ld'},-e,{symbol}_descriptor,--no-gc-sections",
        ],
    )
    elf = ELFFile(io.BytesIO((tmp_path / "model.elf").read_bytes()))
    assert elf["e_entry"] == 0x08100000
    section = elf.get_section_by_name(".model")
    words = np.frombuffer(section.data()[:12], "<u4")
    assert words.tolist() == [1, 1, 1]
