"""Each page of the documentation does what it says: its blocks run, and print what it quotes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUICK = {"tutorials/own-network.md", "tutorials/train.md"}
TOOLS = ("aarch64-linux-gnu-gcc", "arm-none-eabi-gcc", "qemu-aarch64", "cmake")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what follows the language, its text, its line."""

    language: str
    title: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    content = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(content):
        line = content[: match.start()].count("\n") + 1
        yield Block(match[1], match[2].strip(), match[3], line)


def lacking(block: Block) -> str | None:
    """Return a tool that a block calls and this machine has not."""
    return next((t for t in TOOLS if t in block.text and shutil.which(t) is None), None)


def executed(block: Block, folder: Path) -> str:
    """Run a block as a reader would, in one folder a page; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "200", "PYTHONPATH": str(ROOT)}
    command = ["bash", "-euo", "pipefail", "-c", block.text]
    if block.language == "python":
        command = [sys.executable, "-W", "ignore", "-c", block.text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"line {block.line}:\n{block.text}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def _quick_first() -> Iterator[object]:
    """A page that only reads commands costs nothing; those that compile run on demand."""
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").as_posix()
        runs = any(b.language in ("sh", "python") for b in blocks(page))
        slow = runs and name not in QUICK
        yield pytest.param(page, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("page", list(_quick_first()))
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    printed, missing = None, set()
    for block in blocks(page):
        if block.language == "text":
            assert block.title == 'title="prints"', f"line {block.line}: what prints this?"
            if printed is not None:
                for line in block.text.splitlines():
                    assert line in printed, f"line {block.line}: {line!r} is not in\n{printed}"
        elif block.language in ("sh", "python") and block.title != 'title="once"':
            tool = lacking(block)
            missing |= {tool} if tool else set()
            printed = None if tool else executed(block, tmp_path)
    if missing:
        pytest.skip(f"ran all but what needs {', '.join(sorted(missing))}")


def test_pages_are_listed() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for page in PAGES:
        assert f" {page.relative_to(ROOT / 'docs').as_posix()}\n" in navigation
    assert sum(1 for page in PAGES for b in blocks(page) if b.language in ("sh", "python")) > 30


def test_site_builds(tmp_path: Path) -> None:
    """Strict: a link to nowhere or a name that does not exist is an error."""
    pytest.importorskip("mkdocs", reason="the site needs n2uqc[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    commands = (tmp_path / "site/commands.html").read_text(encoding="utf-8")
    assert "n2uqc evaluate" in commands
    assert "CompileError" in (tmp_path / "site/api.html").read_text(encoding="utf-8")
    pages = [p.read_text(encoding="utf-8") for p in (tmp_path / "site").rglob("*.html")]
    assert len(pages) > len(PAGES)
    for page in pages:  # nothing is loaded from elsewhere
        assert not re.search(r'(?:<script|<img|<link rel="stylesheet")[^>]+"https?://', page)
