"""A browser shows the page at the width of a telephone and of paper, and sorts its tables."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from n2uqc.backends.cost import Accuracy, Trained, compare
from n2uqc.backends.report.html import to_html

from ..cost.networks import residual

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
PAPER = 1046  # pixels: A4 across without margins of 10 mm, at 96 a inch

MEASURE = """<script>
const found = {inner: innerWidth, page: document.documentElement.scrollWidth, wide: [], cut: []};
for (const e of document.querySelectorAll("h1,h2,h3,p,li,figure,.scroll,header"))
  if (e.getBoundingClientRect().right > innerWidth + 1) found.wide.push(e.outerHTML.slice(0, 80));
for (const table of document.querySelectorAll("table"))
  if (table.getBoundingClientRect().right > innerWidth + 1)
    found.cut.push(table.outerHTML.slice(0, 80));
found.plot = document.querySelector(".first-plot").getBoundingClientRect().bottom;
found.letter = document.querySelector(".first-plot text").getBoundingClientRect().height;
const table = document.querySelector("table.sort");
const title = [...table.querySelectorAll("thead th")].find((t) => t.textContent.startsWith("LUT"));
const column = () => [...table.tBodies[0].rows].map(
  (row) => parseInt(row.cells[title.cellIndex].textContent.replaceAll(",", "")));
title.click(); found.up = column(); title.click(); found.down = column();
found.sorted = title.getAttribute("aria-sort");
document.title = JSON.stringify(found);
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no headless browser is installed: apt-get install chromium-headless-shell")
    return found


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    two, four = compare(residual(2), name="two"), compare(residual(4), name="four")
    accuracies = [Accuracy(right, 100, "interpreter") for right in (90, 95)]
    both = [Trained(c, a) for c, a in zip((two, four), accuracies, strict=True)]
    return {"dresses": to_html(two), "networks": to_html(both)}


def opened(browser: str, page: str, width: int, folder: Path) -> dict[str, Any]:
    path = folder / "page.html"
    path.write_text(page.replace("</body>", MEASURE), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               f"--user-data-dir={folder / 'profile'}", f"--window-size={width},844",
               "--hide-scrollbars", "--dump-dom", path.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert title, done.stderr
    found: dict[str, Any] = json.loads(html.unescape(title[1]))
    assert found["inner"] == width
    return found


@pytest.mark.parametrize("kind", ["dresses", "networks"])
def test_telephone(kind: str, browser: str, pages: dict[str, str], tmp_path: Path) -> None:
    found = opened(browser, pages[kind], 390, tmp_path)
    assert found["page"] <= 390 and not found["wide"]
    assert found["plot"] <= 844 and found["letter"] >= 10
    assert found["up"] == sorted(found["up"]) and len(found["up"]) > 1
    assert found["down"] == found["up"][::-1] and found["sorted"] == "descending"


@pytest.mark.parametrize("kind", ["dresses", "networks"])
def test_paper(kind: str, browser: str, pages: dict[str, str], tmp_path: Path) -> None:
    page = pages[kind].replace("@media print", "@media all")
    found = opened(browser, page, PAPER, tmp_path)
    assert found["page"] <= PAPER and not found["wide"] and not found["cut"]
