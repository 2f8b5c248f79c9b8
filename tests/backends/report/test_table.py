"""The terminal report shows every figure, says what it rests on, and loses nothing."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from n2uqc.backends.cost import compare
from n2uqc.backends.cost.quantizers import ALTERNATIVES, OWN
from n2uqc.backends.fpga import default_folding
from n2uqc.backends.report import html, report, to_json, write_report
from n2uqc.backends.report.findings import findings
from n2uqc.backends.report.tabular import COLUMNS
from n2uqc.backends.report.verdict import losses
from n2uqc.frontend.sheet import Sheet

from ...properties.programs import Builder, programs
from ..cost.networks import residual


def shown(comparisons: Any, width: int | None = None) -> str:
    sheet = Sheet(width, all_rows=True)
    write_report(sheet, comparisons)
    return str(sheet)


def test_everything_is_shown() -> None:
    c = compare(residual(), name="toy")
    text = shown(c)
    assert "toy" in text
    for a in c.alternatives:
        assert a.short in text and a.title in text
    for layer in c.layers:
        assert layer.title in text
    for total in c.totals.values():
        assert f"{total.resources.lut:,.0f}" in text
    for assumption in c.assumptions:
        assert assumption.id in text and f"({assumption.kind})" in text
    assert "yosys 0.70" in text and "Horowitz" in text


def test_findings_state_the_limits() -> None:
    lines = " ".join(report(compare(residual())).models[0].findings)
    assert "the same unit with other constants" in lines
    assert "Arbitrary codebooks take" in lines and "times N2UQ's direct products" in lines
    assert "Structured levels are close to N2UQ" in lines
    assert "of the LUTs" in lines and "modeled energy" in lines


@pytest.mark.slow
def test_findings_where_products_take_multiplier_blocks_alone() -> None:
    """One lane of 7 bits: no LUT that others could be a multiple of."""
    b = Builder(0, 1, 7, 8, True)
    codes = b.thresholds("x", 7)
    program = b.finish(b.conv(codes, 3, bits=7, odd=False, kernel=1))
    comparison = compare(program, default_folding(program, lanes=1))
    lines = " ".join(findings(comparison))
    assert "N2UQ takes 1 DSP, no LUT. Arbitrary codebooks take 198 LUT; or" in lines
    assert "Structured levels are dearer, too" in lines and "times" not in lines.split("APoT")[1]
    assert "all of 198 LUT" in " ".join(losses(comparison))


def test_models_side_by_side() -> None:
    text = shown([compare(residual(b), name=f"toy{b}") for b in (2, 4)])
    assert "Networks, each as it is compiled" in text and "toy2" in text and "toy4" in text


def test_refuses_to_mix_families() -> None:
    with pytest.raises(ValueError, match="one technology"):
        report([compare(residual()), compare(residual(), technology="ecp5")])
    with pytest.raises(ValueError):
        report([])


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list | tuple):
        return [n for v in value for n in numbers(v)]
    return [value] if isinstance(value, int | float) else []


@settings(max_examples=8, deadline=None)
@given(programs())
def test_any_program_renders_and_serializes(case) -> None:
    program, _ = case
    c = compare(program)
    assert all(len(line) <= 80 for line in shown(c, 80).splitlines() if " " in line.strip())
    assert shown(c)
    data = to_json(c)
    text = json.dumps(data, allow_nan=False)
    assert json.dumps(to_json(compare(program))) == text
    assert all(math.isfinite(n) for n in numbers(data))
    (model,) = data["models"]
    for row in model["alternatives"]:
        total = c.totals[row["id"]]
        lut = sum(part["lut"] for part in row["cost"]["resources"].values())
        assert lut == pytest.approx(total.resources.lut, abs=0.01)
        assert sum(row["cost"]["energy"].values()) == pytest.approx(total.energy.total, abs=0.01)


def test_the_schema_is_documented() -> None:
    """Every field of the data is in SCHEMA.md, and every field there is in the data."""
    schema = (Path(html.__file__).parent / "SCHEMA.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)`", re.sub(r"(models|alternatives)\[\]\.", "", schema)))
    named |= set(re.findall(r"`(\w+)\[\]`", re.sub(r"models\[\]\.", "", schema)))
    data = to_json(compare(residual(), name="toy"))
    (model,) = data["models"]
    row = model["alternatives"][0]
    undocumented = {*data, *model, *model["own"], *row, *row["cost"]} - named
    assert undocumented == set()
    assert {a.id for a in (OWN, *ALTERNATIVES)} <= named
    section = schema.partition("## CSV")[2]
    assert tuple(re.findall(r"`(\w+)`", section)) == COLUMNS
