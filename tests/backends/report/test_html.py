"""The page is one well-formed file that fetches nothing and is the same every time."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from n2uqc.backends.cost import Accuracy, Comparison, Trained, compare
from n2uqc.backends.report import write_html
from n2uqc.backends.report.evidence import MARKS
from n2uqc.backends.report.html import to_html
from n2uqc.frontend.diagnostics import CompileError

from ...properties.programs import programs
from ..cost.networks import residual

VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting, and collects what could reach outside."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(residual(), name="toy")


@pytest.fixture(scope="module")
def text(comparison: Comparison) -> str:
    return to_html([comparison, compare(residual(4), name="other")])


def test_every_figure_is_marked(comparison: Comparison) -> None:
    engine = {"name": "acc", "nodes": ["/conv"], "kind": "matrix-vector", "form": "planes"}
    for k, key in enumerate(("lut", "ff", "dsp", "bram18")):
        engine |= {key: 1000 + k, f"estimated_{key}": 2000 + k}
    result = {"model": "toy", "family": "xc7", "yosys": "Yosys 0.70", "engines": [engine]}
    command = "n2uqc cost toy.onnx --technology xc7"
    found = to_html([Trained(comparison, Accuracy(9, 10, "host"))], command, "page", [result])
    words = Page(found).words
    assert command in words and f"{command} --synthesize" in words and "page.csv" in words
    assert "1,002" in words and "2,003" in words and "90.00% of 10" in words
    for kind, letter in MARKS.items():
        assert f'<sup title="{kind}">{letter}</sup>' in found
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', found)
    bare = [head for head in heads if "<sup" not in head]
    titles = {re.sub("<.*?>", "", head) for head in bare}
    assert not titles & {"LUT", "FF", "DSP", "BRAM18", "nJ", "kbit", "cycles", "accuracy"}


def test_nothing_is_fetched(text: str) -> None:
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object", "base"}
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not re.search(r"fetch|XMLHttp|import|WebSocket|eval", text[text.index("<script>") :])
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert name not in ("src", "srcset", "action", "data") and not name.startswith("on")
            if name.endswith("href"):
                assert value.startswith("#") and value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value or ""):
                assert target.startswith("#") and target[1:] in ids
    assert not re.search(r"@import|https?:|//[a-z]", text)


def test_accessible(text: str) -> None:
    page = Page(text)
    assert ("html", {"lang": "en"}) in page.tags
    pictures = [a for tag, a in page.tags if tag == "svg"]
    assert len(pictures) == 1 + 2 * 3 + 1
    assert all(a["role"] == "img" and a["aria-label"] and a["viewbox"] for a in pictures)
    tables = [a for tag, a in page.tags if tag == "table"]
    captions = sum(tag == "caption" for tag, _ in page.tags)
    assert captions + sum("aria-describedby" in a for a in tables) == len(tables)
    assert all(a.get("scope") for tag, a in page.tags if tag == "th")


def test_pictures_are_xml(text: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(pictures) == text.count("<svg") > 0
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_figures_are_on_the_page(comparison: Comparison, text: str) -> None:
    words = Page(text).words
    for total in comparison.totals.values():
        assert f"{total.resources.lut:,.0f}" in words
    for assumption in comparison.assumptions:
        assert assumption.text in words and assumption.source in words
    assert "prefers-color-scheme: dark" in text


def test_same_bytes(comparison: Comparison, tmp_path: Path) -> None:
    written = []
    for again in (comparison, comparison, compare(residual(), name="toy")):
        write_html(again, tmp_path / "a.html")
        written.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert written[0] == written[1] == written[2]
    assert sorted(written[0]) == ["a.csv", "a.html", "a.json"]
    data = json.loads(written[0]["a.json"])
    rows = list(csv.DictReader(io.StringIO(written[0]["a.csv"].decode())))
    (model,) = data["models"]
    assert [int(row["lut"]) for row in rows] == [a["lut"] for a in model["alternatives"]]
    assert {row["evidence"] for row in rows} == {"counted"}
    assert f"{model['own']['lut']:,}" in data["verdict"][0]


def test_names_are_escaped(comparison: Comparison) -> None:
    program = residual()
    hostile = "</svg><script>alert('$x^$')</script>&\"<img src=x>"
    ops = tuple(replace(op, origin=(f"/{hostile}",)) for op in program.ops)
    found = to_html(compare(replace(program, ops=ops), name=hostile))
    page = Page(found)
    assert not {tag for tag, _ in page.tags} & {"img"}
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert hostile in page.words


def test_no_matplotlib(comparison: Comparison, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CompileError, match=r"n2uqc\[report\]"):
        write_html(comparison, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_nothing_half_written(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        write_html(comparison, tmp_path / "missing" / "page.html")
    assert not list(tmp_path.iterdir())


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_any_program_has_a_page(case) -> None:
    program, _ = case
    found = to_html(compare(program))
    Page(found)
    assert not re.search(r"\bnan\b|\binf\b", found)
