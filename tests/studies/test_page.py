"""The page of a record: it states what the record shows, and what it is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("statsmodels", reason="the study needs its statistics")

from n2uqc.studies import page as pages
from n2uqc.studies.design import EXTENTS, METHODS
from n2uqc.studies.findings import method_cell, points, primary
from n2uqc.studies.page import page

from .records import RIGHT, record

ROOT = Path(__file__).parents[2]


def test_verdicts_follow_from_the_pairs() -> None:
    found = {each.rival: each for each in primary(record())}
    assert set(found) == set(METHODS) - {"N2UQ"}
    for rival, each in found.items():
        differences = [(a - b) / 10 for a, b in zip(RIGHT["N2UQ"], RIGHT[rival], strict=True)]
        assert each.found.mean == pytest.approx(sum(differences) / 3)
    assert found["LSQ"].verdict == "wins" and found["APoT"].verdict == "loses"
    assert found["LCQ"].verdict == "undecided"
    assert found["N2UQ, equal segments"].verdict == "undecided"  # no spread is no proof
    text = page(record())
    assert "In 5 primary comparisons N2UQ wins 1 and loses 1; 0 show" in text
    assert "**N2UQ wins**: LSQ on optdigits." in text
    assert "**N2UQ loses**: APoT on optdigits." in text


def test_a_reduced_run_says_so() -> None:
    text = page(record())
    assert "**A reduced run of the `quick` study**" in text
    assert "optdigits (of\noptdigits, watch), 2 bits (of 2, 3, 4), 3 seeds (of 4), and\nno" in text
    assert "--datasets optdigits --bits 2 --seeds 3 --not-crossed" in text
    extent = EXTENTS["full"].to_json()
    whole = page({**record(), "whole": True, "extent": {**extent, "crossed_datasets": []}})
    assert "This is the whole `full` study." in whole and "reduced" not in whole
    assert "n2uqc study --full --output out/study\n" in whole


def test_what_failed_is_told_and_is_in_no_figure() -> None:
    given = record()
    lsq = method_cell(given, "optdigits", "LSQ", 2)
    assert lsq is not None
    lsq["networks"][1] = {"seed": 1, "failed": "it | broke <here>"}
    (each,) = (each for each in primary(given) if each.rival == "LSQ")
    assert each.found.seeds == 2 and points(lsq).keys() == {0, 2}
    assert "| optdigits | 2 | lsq x lsq | it \\| broke &lt;here> |" in page(given)
    lsq["networks"], lsq["tuned"] = [], None
    text = page(given)
    assert "no choice of the grid could be trained" in text
    assert "LSQ" not in {each.rival for each in primary(given)}


def test_tables_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    given = record()
    given["extent"] |= {"crossed_datasets": ["optdigits"], "bits": [2, 3]}
    for text in (page(given), page(record())):
        assert "{{" not in text and "{%" not in text and "\n\n\n" not in text
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1
    assert pages.command(given).endswith("--seeds 3")


def test_the_published_page_is_that_of_the_record() -> None:
    values: dict[str, Any] = json.loads((ROOT / "studies/published.json").read_text("utf-8"))
    assert (ROOT / "docs/study.md").read_text(encoding="utf-8") == page(values)
