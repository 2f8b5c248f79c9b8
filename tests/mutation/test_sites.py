"""What counts as a change, and which changes a test is told to have noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .covering import Covering, imports
from .run import Fate, Trial
from .sites import Site, sites

SOURCE = b'''"""A module of 1 docstring."""
LIMIT = 3


def clamp(x: int, wide: bool = True) -> int:
    """At most LIMIT, or LIMIT + 1."""
    if x < 0 and not wide:
        raise ValueError(f"{x + 1} is negative")
    return min(x, LIMIT + wide)
'''


def test_changes_of_a_module() -> None:
    """Each operator, number, condition and name that decides something; no message, no text."""
    assert [(site.old, site.new) for site in sites("m.py", SOURCE)] == [
        ("3", "4"),
        ("True", "False"),
        ("x < 0 and not wide", "(not (x < 0 and not wide))"),
        ("<", "<="),
        ("0", "1"),
        ("and", "or"),
        ("not", ""),
        ("min", "max"),
        ("+", "-"),
    ]


def test_a_change_keeps_the_rest() -> None:
    for site in sites("m.py", SOURCE):
        changed = site.applied(SOURCE)
        assert len(changed) - len(SOURCE) == len(site.new) - len(site.old)
        assert changed != SOURCE
        compile(changed, "m.py", "exec")


def test_speed_is_no_behavior() -> None:
    """Prices, by which kernels are chosen, and loops that are written out or side by side."""
    source = b"s.vectorize(x)\nk = Plan(rows=n + 1, instructions=2 * n)\ns.reorder(x)\n"
    assert [(site.old, site.new) for site in sites("m.py", source)] == [
        ("+", "-"),
        ("1", "2"),
        ("s.reorder(x)", "pass"),
    ]


def test_which_tests_run_a_statement() -> None:
    """Those that run it; at import, those of a function in it first; of data, its readers'."""
    near, far = "tests/a/test_m.py::near", "tests/b/test_x.py::far"
    lines = {
        "a/m.py": {1: {"", far}, 2: {""}, 5: {near, far}, 6: {far}},
        "a/data.py": {1: {""}},
        "b/x.py": {1: {""}, 2: {far}},
    }
    covering = Covering(lines, {near: 9.0, far: 1.0}, {"a/data.py": {"b/x.py"}})
    assert covering.of("a/m.py", 5, 5) == [near, far]
    assert covering.of("a/m.py", 6, 6) == [far]
    assert covering.of("a/m.py", 2, 2) == [near, far]
    assert covering.of("a/m.py", 1, 1) == [far, near]
    assert covering.of("a/data.py", 1, 1) == [far]
    assert covering.of("a/m.py", 3, 3) == covering.of("c.py", 1, 1) == []


def test_imports_are_read(tmp_path: Path) -> None:
    source = "from .data import X\nfrom ..other.place import y\nfrom . import z\nimport numpy\n"
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a/b/m.py").write_text(source, encoding="utf-8")
    found = {path for path in imports(tmp_path, "a/b/m.py") if "__init__" not in path}
    assert found == {"a/b/data.py", "a/other/place.py", "a/b/z.py"}


@pytest.mark.slow
def test_fates(tmp_path: Path) -> None:
    """Mutants of a project of one module and one test, which checks one side of a clamp only."""
    (tmp_path / "m.py").write_bytes(SOURCE)
    test = "from m import clamp\ndef test_it():\n    assert [clamp(0), clamp(9)] == [0, 4]\n"
    (tmp_path / "test_m.py").write_text(test, encoding="utf-8")
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    trial = Trial(tmp_path, budget=30)
    survivors = [
        (site.old, site.new)
        for site in sites("m.py", SOURCE)
        if trial.of(site, ["test_m.py::test_it"]) is Fate.SURVIVED
    ]
    assert survivors == [("<", "<="), ("0", "1"), ("and", "or"), ("not", "")]
    assert trial.of(Site("m.py", 1, 1, 0, 0, "", ""), []) is Fate.NOT_RUN
    found = next(site for site in sites("m.py", SOURCE) if site.new == "max")
    assert Trial(tmp_path, budget=0).of(found, ["test_m.py::test_it"]) is Fate.KILLED
    assert (tmp_path / "m.py").read_bytes() == SOURCE
