"""Worker processes with limits, forked from a process that has imported everything.

A worker gets some cases and reports on a pipe when it begins and ends one. The parent checks its
time and memory. If a worker dies or has to be killed, that is a fault of its current case, and
another worker continues with the rest.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .judge import Fault, judged

SECONDS, BYTES = 30, 2 << 30
"""Limits of a case: processor time of the worker and its children;
memory in addition to the parent's.
"""

_WALL = 8  # wall-clock limit in multiples of SECONDS, for a case that waits or a busy machine
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """What a case may take; ``address_space`` is for kinds that start no emulator."""

    seconds: float = SECONDS
    memory: int = BYTES
    address_space: bool = True


@dataclass(frozen=True)
class Report:
    """The result of one case."""

    case: int
    word: str
    fault: Fault | None
    seconds: float


@dataclass
class _Worker:
    pid: int
    pipe: int
    folder: Path
    cases: list[int]
    limits: Limits
    text: bytes = b""
    at: int | None = None
    phase: str = ""
    began: float = 0.0
    used: float = 0.0
    base: int = 0
    over: str = ""
    done: set[int] = field(default_factory=set)


class Pool:
    """A pool of workers.

    Args:
        attempt: tries a case, in the worker: (case, folder for its files, say) -> word, or raises
            as ``judge`` explains.  ``say("peer")`` tells that what follows is not n2uqc's code.
        count: workers at a time.
    """

    def __init__(
        self, attempt: Callable[[int, Path, Say], str], count: int, limits: Limits
    ) -> None:
        self.attempt, self.count, self.limits = attempt, count, limits
        self.workers: list[_Worker] = []

    def run(self, batches: Iterator[list[int]]) -> Iterator[Report]:
        """Reports in the order in which cases end."""
        try:
            more = True
            while more or self.workers:
                while more and len(self.workers) < self.count:
                    batch = next(batches, None)
                    more = batch is not None
                    if batch:
                        self.workers.append(self._fork(batch))
                yield from self._poll()
        finally:
            for worker in self.workers:
                _kill(worker)

    def _fork(self, cases: list[int]) -> _Worker:
        folder = Path(tempfile.mkdtemp(prefix="n2uqc-fuzz-"))
        reader, writer = os.pipe()
        base = _memory("self")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reader)
                os.setpgid(0, 0)
                self._work(cases, folder, writer)
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        return _Worker(pid, reader, folder, cases, self.limits, base=base)

    def _work(self, cases: list[int], folder: Path, pipe: int) -> None:
        """Run cases in the worker, with all output redirected to files."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stderr = folder / "stderr"
        for number, name in ((1, "stdout"), (2, "stderr")):
            handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            os.dup2(handle, number)
            os.close(handle)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # What stood there may not be these descriptors, as under pytest.
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        trace = open(folder / "trace", "w")  # noqa: SIM115 - to the process's end
        faulthandler.enable(trace)
        faulthandler.register(signal.SIGUSR1, trace, all_threads=False)
        if self.limits.address_space:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
            resource.setrlimit(resource.RLIMIT_AS, (size + self.limits.memory,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        def tell(**facts: Any) -> None:
            os.write(pipe, json.dumps(facts).encode() + b"\n")

        for case in cases:
            # A folder of its own name: the loader of libraries knows those it loaded by their path.
            place = folder / f"case{case}"
            place.mkdir()
            tell(begin=case)
            word, fault = judged(
                lambda case=case, place=place: self.attempt(case, place, lambda p: tell(phase=p)),
                stderr,
            )
            shutil.rmtree(place, ignore_errors=True)
            tell(end=case, word=word, fault=vars(fault) if fault else None)

    def _poll(self) -> Iterator[Report]:
        pipes = {worker.pipe: worker for worker in self.workers}
        ready, _, _ = select.select(list(pipes), [], [], 0.2)
        for pipe in ready:
            worker = pipes[pipe]
            piece = os.read(pipe, 1 << 16)
            worker.text += piece
            *lines, worker.text = worker.text.split(b"\n")
            for line in lines:
                yield from self._told(worker, json.loads(line))
            if not piece:
                yield from self._ended(worker)
        for worker in self.workers:
            self._watch(worker)

    def _told(self, worker: _Worker, facts: dict[str, Any]) -> Iterator[Report]:
        if "begin" in facts:
            worker.at, worker.phase = facts["begin"], ""
            worker.began, worker.used = time.monotonic(), _seconds(worker.pid)
        elif "phase" in facts:
            worker.phase = facts["phase"]
        else:
            worker.done.add(facts["end"])
            worker.at = None
            fault = Fault(**facts["fault"]) if facts["fault"] else None
            yield Report(facts["end"], facts["word"], fault, time.monotonic() - worker.began)

    def _watch(self, worker: _Worker) -> None:
        if worker.at is None or worker.over:
            return
        took = _seconds(worker.pid) - worker.used
        wall = time.monotonic() - worker.began
        if took > worker.limits.seconds or wall > worker.limits.seconds * _WALL:
            worker.over = "time"
        elif _memory(str(worker.pid)) - worker.base > worker.limits.memory:
            worker.over = "memory"
        if worker.over:
            os.kill(worker.pid, signal.SIGUSR1)
            time.sleep(0.3)
            _end_group(worker.pid)

    def _ended(self, worker: _Worker) -> Iterator[Report]:
        """Handle a closed pipe: the worker has finished or died."""
        _, status = os.waitpid(worker.pid, 0)
        _end_group(worker.pid)
        os.close(worker.pipe)
        self.workers.remove(worker)
        rest = [case for case in worker.cases if case not in worker.done]
        if worker.at is not None:
            rest.remove(worker.at)
            trace = (worker.folder / "trace").read_text(errors="replace")
            how = worker.over or "signal"
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            place = f"{how if worker.over else f'signal {number}'} at {_of_trace(trace)}"
            text = f"{place}\n{trace}\n{(worker.folder / 'stderr').read_text(errors='replace')}"
            fault = Fault(how, place, text[:6000])
            if worker.phase == "peer":  # ONNX Runtime crashed
                yield Report(worker.at, "compiled, peer failed", None, 0.0)
            else:
                yield Report(worker.at, "fault", fault, time.monotonic() - worker.began)
        elif rest and not worker.done:
            raise RuntimeError(f"a worker ended at once: {(worker.folder / 'stderr').read_text()}")
        shutil.rmtree(worker.folder, ignore_errors=True)
        if rest:
            self.workers.append(self._fork(rest))


def _of_trace(trace: str) -> str:
    """Return the innermost function of the project in faulthandler's output."""
    from .judge import _foreign, _short

    first = ""
    for line in trace.splitlines():
        if line.strip().startswith('File "'):
            path, _, rest = line.strip()[6:].partition('"')
            name = f"{_short(path)}:{rest.rpartition(' in ')[2]}"
            first = first or name
            if not _foreign(path):
                return name
    return first or "?"


def _kill(worker: _Worker) -> None:
    _end_group(worker.pid)
    os.waitpid(worker.pid, 0)
    os.close(worker.pipe)
    shutil.rmtree(worker.folder, ignore_errors=True)


def _end_group(pid: int) -> None:
    """Kill a worker with the compilers and emulators that it started."""
    for end in (lambda: os.killpg(pid, signal.SIGKILL), lambda: os.kill(pid, signal.SIGKILL)):
        try:
            end()
            return
        except (ProcessLookupError, PermissionError):
            continue


def _seconds(pid: int) -> float:
    """Processor time of a process and its ended children."""
    try:
        rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, rest[11:15])) / _TICK


def _memory(pid: str) -> int:
    """Return bytes of a process that are in memory."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
