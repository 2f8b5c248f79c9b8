"""The campaign: tries inputs of each kind, by count or by time, and keeps and reduces findings."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .judge import Fault
from .kinds import KINDS, Kind
from .shrink import shrunk
from .workers import Pool, Report

Progress = Callable[[Kind, float, int], None]
"""Called with a kind, its progress from 0 to 1, and the number of findings."""

_SHRINKING = 240.0
"""Seconds to reduce the findings of one kind."""


@dataclass
class Finding:
    """A fault, with the inputs that show it.

    Attributes:
        kind: kind of input.
        case: number of the first case that showed it.
        fault: the fault.
        times: number of cases that showed it.
        folder: folder that keeps the input.
    """

    kind: Kind
    case: int
    fault: Fault
    times: int = 1
    folder: Path | None = None


@dataclass
class Result:
    """The result of one kind.

    Attributes:
        tried, skipped: numbers of cases.
        seconds: wall-clock time.
        processor: processor time of all processes, in seconds.
        words: number of cases by outcome.
        findings: by kind of fault and place.
        interrupted: whether the user interrupted it.
    """

    kind: Kind
    tried: int = 0
    skipped: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    words: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    interrupted: bool = False


def run_kind(
    kind: Kind,
    seed: int,
    workers: int,
    *,
    count: int | None = None,
    seconds: float | None = None,
    progress: Progress = lambda kind, part, findings: None,
) -> Result:
    """Try one kind, after its preparation.

    Args:
        kind: kind of input.
        seed: seed of the campaign.
        workers: number of processes.
        count: number of cases to try.
        seconds: time limit, instead of a count.
        progress: called after each case.
    """
    result, start, used = Result(kind), time.monotonic(), _processor()

    def part() -> float:
        if count is not None:
            return result.tried / max(count, 1)
        return (time.monotonic() - start) / max(seconds or 0.0, 1e-9)

    def batches() -> Iterator[list[int]]:
        first = 0
        while part() < 1:
            size = kind.batch
            if count is not None:  # the last cases are shared by all workers
                size = max(1, min(size, -(-(count - result.tried) // workers)))
            yield list(range(first, first + size))
            first += size

    def attempt(case: int, place: Path, say: Callable[[str], None]) -> str:
        return kind.attempt(kind.content(seed, case), place, say)

    try:
        for report in Pool(attempt, workers, kind.limits).run(batches()):
            _counted(result, report)
            progress(kind, min(part(), 1.0), len(result.findings))
    except (KeyboardInterrupt, SystemExit):
        result.interrupted = True
    result.seconds, result.processor = time.monotonic() - start, _processor() - used
    return result


def _processor() -> float:
    """Return seconds of this process and of those that ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def _counted(result: Result, report: Report) -> None:
    if report.word == "skipped":
        result.skipped += 1
        return
    result.tried += 1
    result.words[report.word] += 1
    if report.fault is None:
        return
    key = (report.fault.kind, report.fault.place)
    if key in result.findings:
        result.findings[key].times += 1
    else:
        result.findings[key] = Finding(result.kind, report.case, report.fault)


def keep(result: Result, seed: int, folder: Path, *, smaller: bool = True) -> None:
    """Write each finding to a folder: the input, a smaller one, and what went wrong."""
    end = time.monotonic() + _SHRINKING
    for finding in result.findings.values():
        try:
            content = finding.kind.content(seed, finding.case)
        except Exception:  # drawing the input fails
            content = b""
        name = hashlib.sha256(f"{finding.fault.kind} {finding.fault.place}".encode()).hexdigest()
        place = folder / f"{finding.kind.name.replace(' ', '-')}-{finding.fault.kind}-{name[:8]}"
        place.mkdir(parents=True, exist_ok=True)
        finding.folder = place
        suffix = finding.kind.suffix
        (place / f"input{suffix}").write_bytes(content)
        (place / "fault.txt").write_text(finding.fault.text, errors="replace")
        facts = {"kind": finding.kind.name, "seed": seed, "case": finding.case}
        (place / "case.json").write_text(json.dumps({**facts, "place": finding.fault.place}))
        room = min(40.0, end - time.monotonic())
        if not smaller or room < 1 or not content:
            continue
        if finding.fault.kind == "time":
            room = min(2 * finding.kind.limits.seconds, end - time.monotonic())

        def attempt(proposal: bytes, kind: Kind = finding.kind) -> Fault | None:
            return once(kind, proposal)

        least = shrunk(content, finding.fault, finding.kind.smaller, attempt, room)
        (place / f"smaller{suffix}").write_bytes(least)


def once(kind: Kind, content: bytes) -> Fault | None:
    """Try one input in a separate worker."""
    pool = Pool(lambda case, place, say: kind.attempt(content, place, say), 1, kind.limits)
    (report,) = pool.run(iter([[0]]))
    return report.fault


def find_kinds(names: Sequence[str]) -> tuple[Kind, ...]:
    """Kinds by name, all for none.

    Raises:
        ValueError: no such kind.
    """
    known = {kind.name: kind for kind in KINDS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no kind {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in names) or KINDS
