"""Instructions of fixed layers and of the shipped networks on every ARM target,
compared with a record.

    python -m benchmarks.instructions            # fails where a count grew by more than 1%
    python -m benchmarks.instructions --update   # writes benchmarks/instructions.json

Counts are exact and depend only on the generated code, so any growth is caused by a change of
kernels, of their choice, or of LLVM. All tools needed come with pip.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from n2uqc.backends import compile as compile_program
from n2uqc.backends.cpu.profile import profile_artifact
from n2uqc.passes.program import Program

from . import layers
from .needs import end
from .outcome import add_json, report, say, table, versions

RECORD = Path(__file__).with_suffix(".json")
ALLOWED = 1
"""Accepted growth, in percent."""

Counts = Mapping[str, Mapping[str, int]]
"""Counts by target and case."""


def _shipped(name: str) -> Callable[[], Program]:
    def make() -> Program:
        from n2uqc.models import shipped
        from n2uqc.passes import load

        return load(shipped.path(name))

    return make


CASES: dict[str, Callable[[], Program]] = {
    **{
        f"3x3 64-64 28x28 {bits}-bit": partial(layers.codes, "conv", bits, 28, 64, 64)
        for bits in (2, 3, 4)
    },
    "3x3 odd channels 2-bit": lambda: layers.codes("odd", 2, 14, 81, 63),
    "3x3 7x7 map 2-bit": lambda: layers.codes("late", 2, 7, 128, 128),
    "3x3 stride 2 2-bit": lambda: layers.codes("strided", 2, 28, 64, 64, stride=2),
    "1x1 stride 2 2-bit": lambda: layers.codes("down", 2, 28, 64, 128, kernel=1, stride=2),
    "1x1 64-96 14x14 4-bit, tables of every form": lambda: layers.codes(
        "pointwise", 4, 14, 64, 96, kernel=1, mixed=True
    ),
    "depthwise 3x3 96 14x14 4-bit, tables of every form": lambda: layers.codes(
        "depthwise", 4, 14, 96, 96, groups=96, mixed=True
    ),
    "stem 16-bit": lambda: layers.stem("stem16", 16, 64),
    "stem 24-bit": lambda: layers.stem("stem24", 24, 64),
    "head": lambda: layers.head("head"),
    "residual": lambda: layers.residual("residual", 14, 64),
    "tables on a skip stream": lambda: layers.tables("tables", 2, 14, 64),
    "maxpool": lambda: layers.pool("pool", 28, 64),
    **{name: _shipped(name) for name in ("digits_2bit", "digits_3bit", "digits_4bit")},
}
SMALL: dict[str, Callable[[], Program]] = {
    **{
        f"3x3 32-32 12x12 {bits}-bit": partial(layers.codes, "conv", bits, 12, 32, 32)
        for bits in (2, 3, 4)
    },
    "digits_2bit": CASES["digits_2bit"],
}
TINY: dict[str, Callable[[], Program]] = {
    "3x3 16-16 4x4 2-bit": lambda: layers.codes("conv", 2, 4, 16, 16),
    "3x3 stride 2 2-bit": lambda: layers.codes("strided", 2, 4, 16, 16, stride=2),
}
"""Smaller cases: unicorn has no i8mm, whose instructions are emulated in Python,
milliseconds each.
"""

TARGETS: dict[str, Mapping[str, Callable[[], Program]]] = {
    "aarch64": CASES,
    "aarch64+dotprod": CASES,
    "aarch64+i8mm": TINY,
    "armv7": CASES,
    "cortex-m4": SMALL,
    "cortex-m7": SMALL,
}


def count(targets: list[str]) -> dict[str, dict[str, int]]:
    """Compile and count every case of some targets."""
    counts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory(prefix="n2uqc-bench-") as place:
        for target in targets:
            for name, make in TARGETS[target].items():
                say(f"{target}: {name}")
                folder = compile_program(make(), target).save(Path(place, "net"))
                counts.setdefault(target, {})[name] = profile_artifact(folder).instructions
    return counts


def compare(counted: Counts, recorded: Counts) -> Iterator[dict[str, Any]]:
    """Yield a row per case: the count, the record, the change, and whether it is bad.

    A case in the record that was not counted no longer exists for the target; a case that was
    counted but is not in the record cannot be compared. Both are bad.
    """
    for target in counted:
        now, before = counted[target], recorded.get(target, {})
        for name in dict.fromkeys((*now, *before)):
            new, old = now.get(name), before.get(name)
            change, verdict = None, ""
            if old is None or new is None:
                verdict = "not recorded" if old is None else "no longer counted"
            else:
                change = f"{new / old - 1:+.2%}"
                if 100 * abs(new - old) > ALLOWED * old:
                    verdict = "grew" if new > old else "shrank"
            yield {
                "target": target,
                "case": name,
                "recorded": old,
                "counted": new,
                "change": change,
                "verdict": verdict,
            }


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison; return 1 if a count grew or the record lacks a case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--update", action="store_true", help="record what is counted")
    add_json(parser)
    options = parser.parse_args(arguments)
    counted = count(options.targets)
    recorded = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    rows = list(compare(counted, recorded))
    bad = [row for row in rows if row["verdict"] not in ("", "shrank")]
    columns = {key: key for key in ("target", "case", "recorded", "counted", "change", "verdict")}
    text = table(rows, columns)
    if options.update:
        text += f"\nrecorded in {RECORD.name}"
        kept = {target: counted.get(target, recorded.get(target)) for target in TARGETS}
        kept = {target: counts for target, counts in kept.items() if counts}
        RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    elif bad:
        text += f"\n{len(bad)} of {len(rows)} are not as recorded; if that is meant, run --update"
    report(
        options,
        text,
        {
            "benchmark": "instructions",
            "rows": rows,
            "versions": versions("apache-tvm", "unicorn"),
        },
    )
    return int(bool(bad) and not options.update)


if __name__ == "__main__":
    end(main)
