"""What counts as a change, and which changes a test is told to have noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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
    assert (tmp_path / "m.py").read_bytes() == SOURCE
