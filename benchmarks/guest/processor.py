"""Emulated cores, for which the peers choose their kernels.

The peers ask the system for the features of the processor and its model. The features come from
qemu; the content of ``/proc/cpuinfo`` and ``/sys`` is in files of the guest's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .debian import Guest


@dataclass(frozen=True)
class Core:
    """One processor.

    Attributes:
        name: name of the row in tables.
        emulated: value of qemu's ``-cpu``.
        part: Arm's part number of the core.
        features: features as in ``/proc/cpuinfo``.
        target: n2uqc's target of the same core.
    """

    name: str
    emulated: str
    part: int
    features: str
    target: str


_BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_NEWER = f"{_BASE} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"

CORES = {
    core.name: core
    for core in (
        Core("ARMv8.0", "cortex-a72", 0xD08, _BASE, "aarch64"),
        Core("+dotprod", "cortex-a76", 0xD0B, _NEWER, "aarch64+dotprod"),
        # qemu has no model of a core with i8mm; SVE is off, as in most phones.
        Core("+i8mm", "max,sve=off", 0xD4D, f"{_NEWER} i8mm", "aarch64+i8mm"),
    )
}
"""Cores by their row's name."""


def describe(guest: Guest, core: Core) -> Path:
    """Return a root folder for a core: the guest's folder with Linux' files about that core."""
    root = guest.root.with_name(f"root-{core.name.strip('+').lower()}")
    root.mkdir(exist_ok=True)
    for entry in guest.root.iterdir():
        link = root / entry.name
        if entry.name not in ("proc", "sys") and not link.is_symlink():
            link.symlink_to(entry)
    for name, text in _files(core).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def _files(core: Core) -> dict[str, str]:
    cpu, one = "sys/devices/system/cpu", "sys/devices/system/cpu/cpu0"
    files = {f"{cpu}/{name}": "0\n" for name in ("possible", "present", "online", "kernel_max")}
    for name in (
        "physical_package_id",
        "core_id",
        "core_siblings_list",
        "thread_siblings_list",
        "cluster_cpus_list",
        "package_cpus_list",
        "core_cpus_list",
    ):
        files[f"{one}/topology/{name}"] = "0\n"
    for name in ("max", "min"):
        files[f"{one}/cpufreq/cpuinfo_{name}_freq"] = "1500000\n"
    caches = ((1, "Data", 32), (1, "Instruction", 48), (2, "Unified", 1024))
    for k, (level, kind, size) in enumerate(caches):
        for name, value in (
            ("level", level),
            ("type", kind),
            ("size", f"{size}K"),
            ("shared_cpu_list", 0),
            ("coherency_line_size", 64),
            ("ways_of_associativity", 16),
            ("number_of_sets", size),
        ):
            files[f"{one}/cache/index{k}/{name}"] = f"{value}\n"
    files["proc/cpuinfo"] = (
        f"processor\t: 0\nBogoMIPS\t: 100.00\nFeatures\t: {core.features}\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {core.part:#x}\nCPU revision\t: 3\n\n"
    )
    return files
