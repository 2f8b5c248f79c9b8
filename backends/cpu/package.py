"""The files of an artifact: object, library, header, driver, and facts of the manifest."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.escape import c_fields
from n2uqc.passes.program import IntType, Port, Program
from n2uqc.passes.program.boundary import input_types, output_types
from n2uqc.passes.program.names import symbol_part
from n2uqc.passes.program.store import to_bytes
from n2uqc.version import __version__

from .. import toolchain
from ..binary import TOOLCHAIN, Binary
from ..cross import ARM, CROSS, gnu_core
from ..manifest import PROGRAM
from ..processor import CAPABILITIES, Processor
from ..target import Progress
from ..templating import real_value, render
from .grouping import macs, with_own_outputs
from .levels import chosen_at_run_time, level_name
from .profile.symbols import code_of
from .programs import INCLUDE, SOURCES, TEMPLATES, Linked, firmware, linux_program
from .real_values import describe

if TYPE_CHECKING:
    from .model import Model


_MARKED = 16
"""Digits of the program's hash in the symbol that ties header and library together."""

_OBSERVED = "_observed"
"""End of the names of functions, objects and the header of an observed run."""


@dataclass(frozen=True)
class LibraryPart:
    """An object of a library.

    Attributes:
        name: of the file, and prefix of its symbols.
        processor: what it is for.
        llvm: the same as TVM's target.
        model: what it holds.
    """

    name: str
    processor: Processor
    llvm: Any
    model: Model


def build(program: Program, target: str, processor: Processor, progress: Progress) -> Binary:
    """Compile and link a program for a processor.

    Raises:
        CompileError: LLVM does not know the processor, or a tool is missing.
    """
    # On first use zig builds its C library, which takes a minute or two.
    progress(f"preparing the C compiler for {processor.architecture}")
    tools = toolchain.find(processor.architecture, native=target == "host")
    # Imported late: TVM takes seconds, and a missing tool should be reported at once.
    progress("loading TVM")
    from ..tir import emit_object, target_of
    from . import model as models
    from .entry import MISALIGNED, NULL_POINTER, OUT_OF_RANGE, text_constant

    symbol = f"n2uqc_{symbol_part(program.name)}"
    parts = []
    for level in (*processor.levels, processor):
        name = f"{symbol}_{level_name(level)}" if processor.levels else symbol
        try:
            llvm = target_of(level)
        except ValueError as error:
            raise CompileError(str(error)) from None
        model = models.build_model(program, f"{name}_run", level, progress)
        parts.append(LibraryPart(name, level, llvm, model))
    stored = to_bytes(program)
    digest = hashlib.sha256(stored).hexdigest()
    mark = f"{symbol}_program_{digest[:_MARKED]}"
    single = program.interface.is_single
    inputs = _tensors(input_types(program), symbol, "input", single)
    outputs = _tensors(output_types(program), symbol, "output", single)
    real_names = describe(program, outputs)
    bare = CROSS[processor.architecture].bare
    context = {
        "name": program.name,
        "symbol": symbol,
        "macro": symbol.upper(),
        "version": __version__,
        "target": target,
        "cpu": processor.cpu,
        "architecture": processor.architecture,
        "board": processor.board,
        "needs": sorted(processor.needs),
        "needed_bits": {need: CAPABILITIES[need] for need in sorted(processor.needs)}
        if processor.architecture != "x86_64"
        else {},
        "inputs": inputs,
        "outputs": outputs,
        "single": single,
        "host": [] if program.host is None else program.host.operators,
        "host_rest": program.host is not None
        and not set(program.host.outputs)
        <= {*real_names, *(port.name for port in program.interface.outputs)},
        "real_names": real_names,
        "compiler": _user_compiler(target, processor),
        **_cross(processor),
        "program_sha256": digest,
        "program_symbol": mark,
        "alignment": models.ALIGNMENT,
        "workspace_bytes": max(part.model.workspace_bytes for part in parts),
        "levels": [level_name(part.processor) for part in parts] if processor.levels else [],
        "steps": _steps(program, parts[-1].model),
        "codes": (NULL_POINTER, MISALIGNED, OUT_OF_RANGE),
    }
    library, texts = f"lib{symbol}.a", _texts(symbol, target, bare)
    link = firmware if bare else linux_program
    with tempfile.TemporaryDirectory(prefix="n2uqc-") as place:
        folder = Path(place)
        progress("generating code")
        for part in parts:
            more, observed = part.model.entry, part.model.observed
            if part is parts[-1]:
                more += f"\n{text_constant(mark, digest)}"
                if processor.levels:
                    run = f"{symbol}_run"
                    named = [(f"{p.name}_run", p.processor) for p in parts]
                    more += f"\n{chosen_at_run_time(run, named)}"
                    named = [(f"{name}{_OBSERVED}", level) for name, level in named]
                    observed += f"\n{chosen_at_run_time(f'{run}{_OBSERVED}', named, 5)}"
            emit_object(
                part.model.module,
                part.llvm,
                folder / f"{part.name}.o",
                lowered=True,
                private=part.model.symbols,
                constants=part.model.constants,
                more=more,
                beside={folder / f"{part.name}{_OBSERVED}.o": observed},
            )
        for name, template in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(render(TEMPLATES, template, context), encoding="utf-8")
        progress("linking")
        objects = [f"{part.name}{what}.o" for what in ("", _OBSERVED) for part in parts]
        tools.archive([folder / each for each in objects], folder / library)
        (folder / SOURCES).mkdir()
        linked = link(tools, folder, library, context)
        files = {n: (folder / n).read_bytes() for n in (library, *texts, *linked.files)}
        code = {
            name: size
            for part in parts
            for name, _, size in code_of((folder / f"{part.name}.o").read_bytes()).functions
        }
    files[PROGRAM] = stored
    facts = _manifest(
        program, target, processor, parts, context, library, linked, tools.version(), code
    )
    return Binary(files, frozenset({linked.driver} - {""}), facts)


def _manifest(
    program: Program,
    target: str,
    processor: Processor,
    parts: Sequence[LibraryPart],
    context: Mapping[str, Any],
    library: str,
    linked: Linked,
    compiler: str,
    code: Mapping[str, int],
) -> dict[str, Any]:
    """Return the facts of the manifest; ``context`` holds the values for the templates, ``code``
    the bytes of each function.
    """
    symbol, base = context["symbol"], parts[-1].model
    return {
        "name": program.name,
        "target": target,
        "architecture": processor.architecture,
        "triple": processor.triple,
        "cpu": processor.cpu,
        "features": list(processor.features),
        "emulated": processor.emulated,
        "needs": sorted(processor.needs),
        **_ends({what: list(map(_facts, context[what])) for what in ("inputs", "outputs")}),
        "function": f"{symbol}_run",
        "library": library,
        "header": _header(symbol),
        "driver": linked.driver,
        **linked.facts,
        "workspace_bytes": context["workspace_bytes"],
        "workspace_lower_bound": max(part.model.arena.lower_bound for part in parts),
        "workspace_alignment": context["alignment"],
        "in_place": [base.choices[step].group.output for step in base.arena.in_place],
        "constant_bytes": sum(
            array.nbytes for part in parts for array in part.model.constants.arrays.values()
        ),
        "information_bytes": information_bytes(program),
        "program_sha256": context["program_sha256"],
        "program_symbol": context["program_symbol"],
        "options": dict(program.metadata),
        "kernels": [
            {
                "symbol": function,
                "operations": [op.output for op in choice.group.ops],
                "computes": choice.group.mnemonics,
                "kernel": choice.kernel.name,
                "reason": choice.reason,
                "macs": macs(choice.group, program),
                "constant_bytes": constant_bytes,
                "code_bytes": code[function],
                **({"level": level_name(part.processor)} if len(parts) > 1 else {}),
            }
            for part in parts
            for function, choice, constant_bytes in zip(
                part.model.symbols, part.model.choices, part.model.constant_bytes, strict=False
            )
        ],
        "versions": {
            "n2uqc": __version__,
            "tvm": metadata.version("apache-tvm"),
            "compiler": compiler,
        },
    }


def _header(symbol: str) -> str:
    return f"{INCLUDE}/{symbol}.h"


def information_bytes(program: Program) -> int:
    """Return the bytes of all weights and tables, each stored with the bits that it needs."""
    return -(-sum(constant.storage_bits for constant in program.constants.values()) // 8)


def _texts(symbol: str, target: str, bare: bool) -> dict[str, str]:
    """Return the templates by output file, the header first."""
    texts = {
        _header(symbol): "header.h.j2",
        f"{INCLUDE}/{symbol}_real.h": "real.h.j2",
        f"{INCLUDE}/{symbol}{_OBSERVED}.h": "observed.h.j2",
        f"{INCLUDE}/{symbol}_descriptor.h": "descriptor.h.j2",
        f"{INCLUDE}/n2uqc_descriptor.h": "descriptor_type.h.j2",
        f"cmake/{symbol}Config.cmake": "config.cmake.j2",
    }
    if target != "host":
        texts[TOOLCHAIN] = "toolchain.cmake.j2"
    if not bare:  # the firmware is its example
        for name in ("example.c", "observe.c", "CMakeLists.txt"):
            texts[f"example/{name}"] = f"{name}.j2"
    return texts


def _steps(program: Program, model: Model) -> list[dict[str, Any]]:
    """Return the descriptions of the kernels and of the tensors that they write."""
    program, steps = with_own_outputs(program), []
    for choice, function in zip(model.choices, model.symbols, strict=False):
        written = program.int_type(choice.group.output)
        steps.append(
            {
                "kernel": f"{function.partition('_run_')[2]}",
                "tensor": choice.group.output,
                "ctype": f"{written.container.name}_t",
                "shape": written.shape,
                "scale": _number(written.scale),
                "macs": macs(choice.group, program),
            }
        )
    return steps


def _cross(processor: Processor) -> dict[str, Any]:
    """Return what CMake is told of a processor that is not this machine's."""
    architecture = processor.architecture
    tools = CROSS[architecture]
    return {
        "gcc": tools.gcc,
        "package": tools.package,
        "emulator": tools.emulator,
        "bare": tools.bare,
        "system_processor": "arm" if tools.elf == ARM else architecture,
        "core_flags": " ".join(gnu_core(architecture, processor.cpu)),
    }


def _user_compiler(target: str, processor: Processor) -> str:
    """Return the compiler command for the example's first line."""
    if target == "host":
        return "cc"
    return f"{CROSS[processor.architecture].gcc} -static"


def _tensors(
    ends: Iterable[tuple[Port, IntType]], symbol: str, role: str, single: bool
) -> list[dict[str, Any]]:
    """Return the descriptions of inputs or outputs for users of the library."""
    pairs = list(ends)
    fields = c_fields([port.name for port, _ in pairs])
    described = []
    for field, (port, tensor_type) in zip(fields, pairs, strict=True):
        variable = role if single else f"{role}_{field}"
        names = {"variable": variable, "type": f"{symbol}_{variable}"}
        names |= {"macro": names["type"].upper(), "label": role if single else field}
        described.append({"field": field, "role": role, **names, **_tensor(tensor_type, port)})
    return described


def _ends(facts: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the facts of inputs and outputs; where there is one of a kind, that one too."""
    only = {what[:-1]: given[0] for what, given in facts.items() if len(given) == 1}
    return {**only, **facts}


def _tensor(tensor_type: IntType, port: Port) -> dict[str, Any]:
    """Return the description of a tensor."""
    dtype, scale = tensor_type.container, tensor_type.scale
    real = "plain integers"
    if port.indices:
        real = f"index, {tensor_type.lo} to {tensor_type.hi}"
    elif scale is not None:
        real = real_value(tensor_type)
    return {
        "real": f"{port.name}: {real}",
        "dtype": dtype.name,
        "ctype": f"{dtype.name}_t",
        "descr": dtype.str,
        "shape": tensor_type.shape,
        "count": tensor_type.size,
        "bytes": tensor_type.size * dtype.itemsize,
        "min": tensor_type.lo,
        "max": tensor_type.hi,
        "min_literal": literal(tensor_type.lo),
        "max_literal": literal(tensor_type.hi),
        "face": port.name,
        "indices": port.indices,
        "scale": None if scale is None else str(scale),
        "scale_number": _number(None if port.indices else scale),
    }


def _number(scale: Fraction | None) -> str:
    """Return a scale as a C expression; 0 where there is none."""
    return "0" if scale is None else repr(float(scale))


def literal(value: int) -> str:
    """Return a number as a C expression of its type.

    C has no negative constants, so the least value of a type needs an expression.
    """
    if value in (-(1 << 31), -(1 << 63)):
        return f"({value + 1} - 1)"
    return str(value) if value >= 0 else f"({value})"


def _facts(tensor: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": tensor["face"],
        **({} if tensor["label"] == tensor["role"] else {"field": tensor["field"]}),
        "dtype": tensor["dtype"],
        "shape": list(tensor["shape"]),
        "min": tensor["min"],
        "max": tensor["max"],
        "scale": tensor["scale"],
        **({"indices": True} if tensor["indices"] else {}),
        **({"real": tensor["functions"]} if tensor.get("functions") else {}),
    }
