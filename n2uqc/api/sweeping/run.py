"""The points of a sweep computed: in this process, or by the workers of a Dask scheduler."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from n2uqc.frontend.escape import plain

from ..errors import UserError
from ..progress import Progress
from .identity import code_version
from .plan import SweepPlan, SweepPoint
from .store import Stored, SweepStore
from .work import PointOutcome, compute, said

_CONNECT = 30  # seconds to wait for a scheduler


@dataclass
class RunCounts:
    """What became of the points of a run.

    Attributes:
        computed: points that this run computed, or tried to.
        reused: those that the store had.
    """

    computed: int = 0
    reused: int = 0


def run_plan(
    plan: SweepPlan,
    store: SweepStore,
    *,
    workers: int,
    scheduler: str | None,
    retry: bool,
    progress: Progress,
) -> RunCounts:
    """Compute the points of a plan that the store lacks, and keep each as soon as it is done.

    Args:
        plan: the sweep.
        store: where results go.
        workers: processes of a Dask cluster on this machine; 0: this process.
        scheduler: address of a Dask scheduler whose workers are taken instead.
        retry: whether points that failed before are tried again.
        progress: what is told of the work.

    Raises:
        UserError: the scheduler does not answer.
        ModuleNotFoundError: Dask is needed and not installed.
        OSError: the store cannot be written.
    """
    run = _Run(plan, store, retry)
    ready = run.ready()
    if not ready:
        return run.counts
    with progress.reporting(len(plan.points), "sweep", run.counts.reused) as advance:
        run.advance = advance
        if scheduler is None and not workers:
            while ready:
                point = ready.popleft()
                found = compute(point, run.code, *run.inputs(point))
                ready.extendleft(reversed(run.finished(point, found)))
        else:
            with _client(workers, scheduler) as client:
                _by_workers(client, run, ready)
    return run.counts


class _Run:
    """What is done, and what can be done next."""

    def __init__(self, plan: SweepPlan, store: SweepStore, retry: bool) -> None:
        self.store, self.retry, self.code = store, retry, code_version()
        self.counts, self.failed = RunCounts(), 0
        self.advance: Callable[[str], None] = lambda _: None
        self.waiting: dict[str, list[SweepPoint]] = {}
        self.plan = plan

    def ready(self) -> deque[SweepPoint]:
        """Return what can be done at once: all but points whose training is not done."""
        ready: deque[SweepPoint] = deque()
        for key, point in self.plan.points.items():
            if self._has(key):
                self.counts.reused += 1
            elif point.source is None:
                ready.append(point)
            elif not self._has(point.source):
                self.waiting.setdefault(point.source, []).append(point)
            elif self._trained(point.source) is not None:
                ready.append(point)
        return ready

    def inputs(self, point: SweepPoint) -> tuple[bytes | None, tuple[float, float] | None]:
        """Return the network that a point takes, and the range of inputs of its training."""
        trained = None if point.source is None else self._trained(point.source)
        if point.source is None or trained is None:
            return None, None
        low, high = trained["input_range"]
        return self.store.network(point.source), (low, high)

    def finished(self, point: SweepPoint, found: PointOutcome) -> list[SweepPoint]:
        """Keep the outcome of a point; return what can be done now."""
        stored = Stored(found.result, found.message)
        self.store.put(point.key, point.kind, point.identity, stored, found.network)
        if point.folder is not None and found.result is not None:
            shutil.rmtree(point.folder, ignore_errors=True)  # only now the store has the network
            with suppress(OSError):  # of the trainings that are not done; the last one is gone
                point.folder.parent.rmdir()
        self.counts.computed += 1
        self.failed += found.result is None
        self._tell()
        waiting = self.waiting.pop(point.key, [])
        if found.result is not None:
            return waiting
        for _ in waiting:  # without the network there is nothing to do
            self._tell()
        return []

    def _tell(self) -> None:
        self.advance(f"{self.failed} failed" if self.failed else "")

    def _has(self, key: str) -> bool:
        stored = self.store.get(key)
        return stored is not None and not (stored.result is None and self.retry)

    def _trained(self, key: str) -> dict[str, Any] | None:
        stored = self.store.get(key)
        return None if stored is None else stored.result


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """Connect to a scheduler, or to one of this machine's own."""
    from distributed import Client, LocalCluster

    connect: Any = Client  # without annotations of its own
    start: Any = LocalCluster

    if scheduler is not None:
        try:
            client = connect(scheduler, timeout=_CONNECT)
        except (OSError, ValueError) as error:
            text = f"--scheduler {plain(scheduler)}: it does not answer: {plain(error)}"
            raise UserError(text) from error
        with client:
            yield client
        return
    with (
        start(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0
        ) as cluster,
        connect(cluster) as client,
    ):
        yield client


def _by_workers(client: Any, run: _Run, ready: deque[SweepPoint]) -> None:
    """Let workers compute points, one a thread: Dask blames all that a dying worker was given."""
    from distributed import as_completed

    completed: Any = as_completed

    points: dict[str, SweepPoint] = {}
    futures: Any = completed()

    def submit() -> None:
        room = max(sum(client.nthreads().values()), 1)
        while ready and len(points) < room:
            point = ready.popleft()
            name = f"n2uqc-{point.key}"
            points[name] = point
            inputs = run.inputs(point)
            futures.add(client.submit(compute, point, run.code, *inputs, key=name, pure=False))

    submit()
    for future in futures:
        point, found = points.pop(future.key), _outcome(future)
        future.release()
        ready.extendleft(reversed(run.finished(point, found)))
        submit()


def _outcome(future: Any) -> PointOutcome:
    """Return what a worker computed; a worker that dies with a point again and again fails it."""
    try:
        found: PointOutcome = future.result()
    except Exception as error:  # Dask's own, of workers that died or of what cannot be sent
        return PointOutcome(None, said(error))
    return found
