"""The search for widths, with networks of known needs in place of measured ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.passes import Options
from n2uqc.passes.search_precision import search_precision

MOST = {"a": 40, "b": 16, "c": 9}
OPTIONS = Options(calibration=np.zeros((4, 1, 2, 2), np.float32))


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The widths that are tried: a needs 13 bits, and 18 beside others; b needs 10 for classes."""
    found: list[dict[str, int]] = []

    def compiled(_: Any, options: Options, observe: Any = None) -> Any:
        if observe is not None:
            observe(SimpleNamespace(name="hoist-bias"), None, None)
        return options.widths

    def deviation(_: Any, widths: dict[str, int], __: Any) -> Any:
        found.append(widths)
        bits = MOST | widths
        need = {"a": 18 if len(widths) > 1 else 13, "b": 3, "c": 9}
        rate = sum(max(0, need[n] - bits[n]) * 1e-3 for n in need)
        return SimpleNamespace(flip_rate=rate, top1=4 if bits["b"] >= 10 else 3)

    fakes = {
        "compile_graph": compiled,
        "deviation": deviation,
        "reference": lambda *_: None,
        "widths": lambda *_: MOST,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(f"n2uqc.passes.search_precision.{name}", fake)
    return found


def test_the_least_width_of_each_then_all_wider(tried: list[dict[str, int]]) -> None:
    lines: list[str] = []
    result = search_precision(None, OPTIONS, flip_rate=1e-4, progress=lines.append)  # type: ignore[arg-type]
    # Alone 14, 10 and 9 bits of 8, 10, 12, 14, 16, 20, ... are enough; together, two steps more.
    assert lines[:3] == ["a: 14 of 40 bits", "b: 10 of 16 bits", "c: 9 of 9 bits"]
    assert [line[:9] for line in lines[3:]] == ["together "] * 2
    assert {c.tensor: (c.bits, c.most) for c in result.choices} == {
        "a": (20, 40), "b": (14, 16), "c": (9, 9),
    }  # fmt: skip
    assert result.options.widths == {"a": 20, "b": 14, "c": 9}
    assert (result.flip_rate, result.top1, result.samples) == (0, 4, 4)
    assert len([w for w in tried if set(w) == {"a"}]) <= 4  # of ten widths


def test_no_code_may_differ(tried: list[dict[str, int]]) -> None:
    result = search_precision(None, OPTIONS, flip_rate=0.0)  # type: ignore[arg-type]
    assert result.options.widths == {"a": 20, "b": 14, "c": 9}
    assert tried[-1] == result.options.widths


def test_what_a_search_needs() -> None:
    with pytest.raises(CompileError, match="calibration images"):
        search_precision(None, Options())  # type: ignore[arg-type]
    with pytest.raises(CompileError, match="takes 0..1"):
        search_precision(None, OPTIONS, flip_rate=1.5)  # type: ignore[arg-type]
