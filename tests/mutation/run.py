"""One change against the tests that run its line."""

from __future__ import annotations

import enum
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .sites import Site

_MOST = 80
"""Tests for one change."""

_IDLE = 40
"""Seconds of the clock for each second of the budget, after which a child that neither ends nor
computes is given up.  On a busy machine a second of computing takes many of the clock."""


class Fate(enum.Enum):
    """What became of a change."""

    KILLED = "killed"
    SURVIVED = "survived"
    NOT_RUN = "not run"


class Trial:
    """Runs changes, one at a time.

    Args:
        tree: a copy of the project, which is changed and put right again.
        budget: seconds of tests for each change.
    """

    def __init__(self, tree: Path, budget: float) -> None:
        self.tree, self.budget, self.changes = tree, budget, 0
        # What all tests import and nobody changes is imported once; a child has it at once.
        import hypothesis, numpy, onnx, onnx_ir, onnxruntime, pytest, tvm  # noqa: E401, F401, I001

    def of(self, site: Site, tests: Sequence[str]) -> Fate:
        """Put the change in, run the tests, and take it out."""
        if not tests:
            return Fate.NOT_RUN
        path = self.tree / site.path
        source, times = path.read_bytes(), path.stat()
        path.write_bytes(site.applied(source))
        # Compiled files are kept, and told apart by the source's time: no two changes share one.
        self.changes += 1
        os.utime(path, (times.st_atime, times.st_mtime + 60 * self.changes))
        try:
            return Fate.KILLED if self._fails(tests[:_MOST]) else Fate.SURVIVED
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _fails(self, tests: Sequence[str]) -> bool:
        """Return whether a test fails, or runs for ever: the child ends by its own CPU limit."""
        child = os.fork()
        if not child:
            self._run(tests)
        end = time.monotonic() + _IDLE * (self.budget + 30)
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status) != 0
            time.sleep(0.02)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True

    def _run(self, tests: Sequence[str]) -> None:
        """Run the tests in the child process; never return."""
        import pytest

        os.setpgid(0, 0)
        limit = int(4 * self.budget) + 30
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.chdir(self.tree)
        os.environ.update(PYTHONPATH=str(self.tree), CI="1")
        sys.path.insert(0, str(self.tree))
        for name in [n for n in sys.modules if n.split(".")[0] in ("n2uqc", "tests")]:
            del sys.modules[name]
        options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:cov"]
        code = 1
        try:
            code = int(pytest.main([*options, *tests], plugins=[_Budget(self.budget)]))
        finally:
            os._exit(code)


class _Budget:
    """Ends a run of tests at the first failure, or when its time is used up.

    A property that fails is not made smaller: that takes longer than to find it, and a run that
    ended meanwhile would look like one whose tests passed.
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.process_time() + seconds

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings

        phases = [Phase.explicit, Phase.reuse, Phase.generate]
        settings.register_profile("mutation", settings(), phases=phases)
        settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            os._exit(1)

    def pytest_runtest_teardown(self) -> None:
        if time.process_time() > self.end:
            os._exit(0)
