"""The targets that are processors.

A name is an architecture (``aarch64``), an architecture with features (``aarch64+dotprod``), a core
(``cortex-a72``: architecture, LLVM's model, and the features of that core), or ``host``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from n2uqc.frontend.diagnostics import CompileError, Problem

from .artifact import Artifact
from .binary import Binary
from .processor import Processor
from .target import Progress, Request, Target
from .toolchain import machine
from .x86_64 import LEVELS, host_cpu

if TYPE_CHECKING:
    from n2uqc.passes.program import Program


@dataclass(frozen=True)
class ProcessorTarget(Target):
    """A processor as a target; its artifact is a folder with library, header and driver.

    Attributes:
        processor: the processor.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"mcpu", "mattr"})
    artifact: ClassVar[type[Artifact]] = Binary

    processor: Processor

    @property
    def executor_summary(self) -> str:
        if self.name == "host":
            return "binary for this machine"
        return f"{'AArch64' if self.name == 'aarch64' else self.name} binary"

    def check(self, request: Request) -> None:
        super().check(request)
        self.asked(request)

    def asked(self, request: Request) -> ProcessorTarget:
        """Return the target with the core and features of a request.

        Raises:
            CompileError: the processor or feature is unknown, or the target is not for this
                machine.
        """
        if self.name == "host" and sys.platform != "linux":
            raise CompileError(
                Problem(
                    node="",
                    op="",
                    found=f"the target host makes Linux programs; this is {sys.platform}",
                    hint="compile for aarch64 (which runs emulated), or in a Linux container",
                )
            )
        if self.processor.levels and (request.mcpu or request.mattr):
            raise CompileError(
                Problem(
                    node="",
                    op="",
                    found=f"{self.name} takes no core or feature: it is for all of them",
                    hint="name a core as the target (--target cortex-a76), or aarch64+dotprod",
                )
            )
        processor = _core(self, request.mcpu) if request.mcpu else self.processor
        if request.mattr:
            processor = _switched(processor, request.mattr)
        return replace(self, processor=processor)

    def build(self, program: Program, request: Request, progress: Progress) -> Artifact:
        from .cpu.package import build

        return build(program, self.name, self.asked(request).processor, progress)


_AARCH64 = Processor(
    "aarch64",
    "aarch64-linux-gnu",
    "generic",
    facts=frozenset({"neon", "many-vectors"}),
    registers=32,
    emulated="cortex-a53",
)
_ARMV7 = Processor(
    "armv7",
    "armv7a-linux-gnueabihf",
    "generic",
    ("+neon",),
    frozenset({"neon", "dsp"}),
    float_abi="hard",
    emulated="cortex-a9",
)
_ARMV6 = Processor(
    "armv6",
    "armv6-linux-gnueabi",
    "arm1176jzf-s",
    (),
    frozenset({"dsp"}),
    registers=12,
    float_abi="soft",
    emulated="arm1176",
)


_RISCV64 = Processor(
    "riscv64",
    "riscv64-linux-gnu",
    "generic-rv64",
    ("+m", "+a", "+f", "+d", "+c"),
    frozenset({"slt"}),
    registers=24,
    emulated="rv64",
)
_RISCV32 = Processor(
    "riscv32",
    "riscv32-none-elf",
    "generic-rv32",
    ("+m", "+c"),
    frozenset({"slt"}),
    registers=20,
    emulated="virt",
)
"""RISC-V (unprivileged specification): RV64GC, and RV32IMC as small microcontrollers have it."""


def _microcontroller(arch: str, core: str, board: str, *facts: str, off: str = "") -> Processor:
    return Processor(
        "cortex-m",
        f"thumb{arch}-none-eabi",
        core,
        tuple(f"-{name}" for name in off.split()),
        frozenset(facts),
        registers=12 if arch != "v6m" else 6,  # of the 8 that most instructions can use
        float_abi="soft",
        emulated=board,
    )


_CORTEX_M = {
    "cortex-m0": _microcontroller("v6m", "cortex-m0", "microbit"),
    "cortex-m0plus": _microcontroller("v6m", "cortex-m0plus", "microbit"),
    "cortex-m3": _microcontroller("v7m", "cortex-m3", "mps2-an385"),
    "cortex-m4": _microcontroller("v7em", "cortex-m4", "mps2-an386", "dsp"),
    "cortex-m7": _microcontroller("v7em", "cortex-m7", "mps2-an500", "dsp", "dual-issue"),
    "cortex-m33": _microcontroller("v8m.main", "cortex-m33", "mps2-an505", "dsp"),
    # Helium and floating-point registers are not used: a program would have to enable them.
    "cortex-m55": _microcontroller(
        "v8.1m.main", "cortex-m55", "mps3-an547", "dsp", off="mve mve.fp fp-armv8d16sp"
    ),
}

_SUFFIXES = {"dotprod": ("dotprod",), "i8mm": ("dotprod", "i8mm")}
"""Features of AArch64 in names of targets, with the features that they imply."""

_CORES = {
    "": "cortex-a53 cortex-a57 cortex-a72 cortex-a73",
    "dotprod": "cortex-a55 cortex-a75 cortex-a76 cortex-a78 neoverse-n1",
    "i8mm": "cortex-a510 cortex-a710 neoverse-n2 neoverse-v1 neoverse-v2",
}
"""AArch64 cores by the highest feature above that they have (Arm's reference manuals)."""

_SCALABLE = "cortex-a510 cortex-a710 neoverse-n2 neoverse-v1 neoverse-v2".split()
"""Cores with SVE, which is not used: kernels are made for vectors of a fixed size."""

_SWITCHES = {
    "x86_64": ("avx2",),
    "aarch64": ("dotprod", "i8mm"),
    "armv7": ("neon",),
}
"""Facts that ``mattr`` may add or remove, by architecture; LLVM has the same names."""


def _host() -> ProcessorTarget:
    name = machine()
    own = _AARCH64 if name == "aarch64" else LEVELS[host_cpu()]
    return ProcessorTarget("host", f"this machine ({name} Linux)", replace(own, architecture=name))


def _all() -> Iterator[ProcessorTarget]:
    yield _host()
    yield ProcessorTarget("aarch64", "64-bit ARM Linux, any core (ARMv8.0)", _AARCH64)
    for suffix in _SUFFIXES:
        yield _with_features("aarch64", suffix)
    levels = tuple(_with_features("aarch64", s).processor for s in reversed(_SUFFIXES))
    yield ProcessorTarget(
        "aarch64+auto",
        f"64-bit ARM Linux, any core; {', '.join(_SUFFIXES)} used where they are",
        replace(_AARCH64, emulated="max", levels=levels),
    )
    for suffix, cores in _CORES.items():
        for core in cores.split():
            has = f" with {suffix}" if suffix else ""
            processor = replace(
                _AARCH64,
                cpu=core,
                features=("-sve",) if core in _SCALABLE else (),
                facts=_AARCH64.facts | {*_SUFFIXES.get(suffix, ())},
                emulated="max" if suffix else _AARCH64.emulated,
            )
            yield ProcessorTarget(core, f"64-bit ARM Linux, {_title(core)}{has}", processor)
    yield ProcessorTarget("armv7", "32-bit ARM Linux with NEON, any core (ARMv7-A)", _ARMV7)
    for core in ("cortex-a7", "cortex-a8", "cortex-a9", "cortex-a15"):
        yield ProcessorTarget(
            core,
            f"32-bit ARM Linux with NEON, {_title(core)}",
            replace(_ARMV7, cpu=core, emulated=core),
        )
    yield ProcessorTarget("armv6", "32-bit ARM Linux without NEON (ARMv6)", _ARMV6)
    yield ProcessorTarget(
        "arm1176jzf-s", "32-bit ARM Linux, ARM1176: the first Raspberry Pi, Zero", _ARMV6
    )
    yield ProcessorTarget("riscv64", "64-bit RISC-V Linux, any core (RV64GC)", _RISCV64)
    what = "microcontroller without operating system"
    yield ProcessorTarget("cortex-m", f"{what}, any ARMv7E-M core", _CORTEX_M["cortex-m4"])
    for core, processor in _CORTEX_M.items():
        yield ProcessorTarget(core, f"{what}, {_title(core).replace('plus', '+')}", processor)
    yield ProcessorTarget("riscv32", f"{what}, 32-bit RISC-V (RV32IMC)", _RISCV32)


def _with_features(base: str, *suffixes: str) -> ProcessorTarget:
    facts = tuple(dict.fromkeys(fact for suffix in suffixes for fact in _SUFFIXES[suffix]))
    return ProcessorTarget(
        "+".join((base, *suffixes)),
        f"64-bit ARM Linux, any core with {' and '.join(suffixes)}",
        replace(
            _AARCH64,
            features=tuple(f"+{fact}" for fact in facts),
            facts=_AARCH64.facts | {*facts},
            emulated="max",
        ),
    )


def _title(core: str) -> str:
    family, _, model = core.partition("-")
    return f"{family.title()}-{model.upper()}"


PROCESSORS: dict[str, ProcessorTarget] = {target.name: target for target in _all()}
"""All processors by name."""


def find_processor(name: str) -> ProcessorTarget | None:
    """Find a processor by name.

    Args:
        name: a name of ``PROCESSORS``, or ``aarch64`` with features: ``aarch64+dotprod+i8mm``.

    Returns:
        The processor, or None if it is unknown.
    """
    base, *suffixes = name.split("+")
    if name not in PROCESSORS and base == "aarch64" and {*suffixes} <= {*_SUFFIXES}:
        return _with_features(base, *suffixes)
    return PROCESSORS.get(name)


def _core(target: ProcessorTarget, name: str) -> Processor:
    """Return the processor of a target with another core.

    Raises:
        CompileError: programs for the target are not known to run on that core.
    """
    old = target.processor
    cores = {
        t.processor.cpu: t.processor
        for t in PROCESSORS.values()
        if t.processor.architecture == old.architecture and "+" not in t.name
    }
    if old.architecture == "x86_64":
        cores = dict(LEVELS)
    if name not in cores:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"no processor {name!r} that {target.name} programs are known to run on",
                supported=", ".join(sorted(cores)),
                hint=f"it is a target of its own: --target {name}" if name in PROCESSORS else "",
            )
        )
    core = cores[name]
    asked = {feature[1:] for feature in old.features if feature[0] == "+"}  # by its name
    return replace(
        core,
        features=tuple(dict.fromkeys((*core.features, *old.features))),
        facts=core.facts | asked,
        emulated=core.emulated if core.facts >= asked else old.emulated,
    )


def _switched(processor: Processor, mattr: Sequence[str]) -> Processor:
    """Return a processor with facts added and removed.

    Raises:
        CompileError: a feature is unknown, or no kernel depends on it.
    """
    allowed = _SWITCHES.get(processor.architecture, ())
    facts = set(processor.facts)
    for feature in mattr:
        sign, name = feature[:1], feature[1:]
        if sign not in ("+", "-") or name not in allowed:
            raise CompileError(
                Problem(
                    node="",
                    op="",
                    found=f"no feature {name!r} to switch on {processor.architecture}"
                    if sign in ("+", "-")
                    else f"feature {feature!r} has no sign; write +{feature} or -{feature}",
                    supported=", ".join(f"+{n}, -{n}" for n in allowed) or "none",
                )
            )
        facts = facts | {name} if sign == "+" else facts - {name}
    few = processor.architecture == "armv7" and "neon" not in facts
    return replace(
        processor,
        features=processor.features + tuple(mattr),
        facts=frozenset(facts),
        registers=_ARMV6.registers if few else processor.registers,
        emulated="max" if processor.architecture in ("aarch64", "armv7") else processor.emulated,
    )
