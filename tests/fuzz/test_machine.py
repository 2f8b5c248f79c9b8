"""The campaign itself: each fault that is planted is found, told apart, made smaller and kept."""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError

from .campaign import find_kinds, keep, run_kind
from .draw.network import random_network
from .judge import Skip, Wrong
from .kinds.input_kind import Kind
from .shrink import smaller_models
from .workers import Limits, Say

_LIMITS = Limits(seconds=0.4, memory=1 << 28)


class Planted(Kind):
    """One of these faults, by the first byte; padded, so that there is something to take away."""

    def draw(self, source: random.Random) -> bytes:
        return b"%d" % source.randrange(10) + source.randbytes(40)

    def attempt(self, content: bytes, place: Path, say: Say) -> str:
        (place / "file").write_bytes(content)
        match content[:1]:
            case b"0":
                return "fine"
            case b"1":
                raise CompileError("this is no network")
            case b"2":
                raise Wrong("a result is not what it must be")
            case b"3":
                raise ZeroDivisionError
            case b"4":
                os.abort()
            case b"5":
                while True:
                    pass
            case b"6":
                np.ones(1 << 29, np.uint8)
            case b"7":
                print("ld: warning: something", file=sys.stderr)
            case b"8":
                warnings.warn("overflow encountered", RuntimeWarning, stacklevel=1)
            case b"9":
                raise Skip
        return "done"


def test_every_planted_fault_is_found(tmp_path: Path) -> None:
    kind = Planted("planted", batch=20, limits=_LIMITS)
    result = run_kind(kind, 3, 2, count=40)
    assert {f.fault.kind for f in result.findings.values()} == {
        *("wrong", "exception", "signal", "time", "memory", "noise")
    }
    assert sum(key[0] == "noise" for key in result.findings) == 2
    assert result.tried == sum(result.words.values()) >= 40
    assert result.words["fine"] and result.words["refused"] and result.skipped
    keep(result, 3, tmp_path, smaller=False)
    assert all((f.folder / "case.json").exists() for f in result.findings.values() if f.folder)


def test_equal_seeds_give_equal_inputs() -> None:
    for kind in find_kinds(["executors", "networks"]):
        assert kind.content(5, 7) == kind.content(5, 7) != kind.content(6, 7)


def test_a_finding_is_made_smaller(tmp_path: Path) -> None:
    kind = Planted("planted", limits=_LIMITS)
    result = run_kind(kind, 3, 1, count=30)
    result.findings = {key: f for key, f in result.findings.items() if key[0] == "wrong"}
    keep(result, 3, tmp_path)
    (folder,) = (f.folder for f in result.findings.values())
    assert folder is not None
    assert (folder / "smaller.bin").read_bytes() == b"2"
    assert len((folder / "input.bin").read_bytes()) == 41


def test_models_become_smaller() -> None:
    parts = []
    for seed in range(1, 5):
        content = random_network(seed).SerializeToString()
        proposals = [proposal for proposal in smaller_models(content) if proposal]
        assert len(proposals) > 10
        parts.append(min(map(len, proposals)) / len(content))
    assert max(parts) < 0.9 and min(parts) < 0.5


def test_a_worker_that_waits_is_ended() -> None:
    class Waiting(Planted):
        def attempt(self, content: bytes, place: Path, say: Say) -> str:
            time.sleep(60)
            return "slept"

    kind = Waiting("waiting", limits=Limits(seconds=0.2))
    result = run_kind(kind, 0, 1, count=1)
    assert [key[0] for key in result.findings] == ["time"]


def test_a_kind_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no kind 'x'"):
        find_kinds(["x"])
