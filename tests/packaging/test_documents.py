"""README and ARCHITECTURE name files, commands, extras and options that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from n2uqc.cli import build_parser
from n2uqc.commands import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|toml))`", text))
    assert named
    known = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.md", "*.toml")
        for path in ROOT.rglob(pattern)
        if ".venv" not in path.parts
    }
    missing = {n for n in named if not any(f"/{k}".endswith(f"/{n}") for k in known)}
    assert not missing


@pytest.mark.parametrize(
    "room",
    [
        "frontend",
        "passes",
        *(f"passes/{r}" for r in ("importing", "exact", "fixed_point", "checks")),
    ],
)
def test_the_table_of_rooms_names_each_module(room: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    modules = {file.name for file in (ROOT / room).glob("*.py")} - {"__init__.py"}
    assert not {name for name in modules if f"`{name}`" not in text}


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_commands_are_those_of_the_readme() -> None:
    section = README.partition("## Commands")[2].partition("\n## ")[0]
    described = set(re.findall(r"^\| `n2uqc ([\w-]+)", section, re.MULTILINE))
    assert described == {name.replace("_", "-") for name in COMMANDS}


def test_every_option_of_the_readme_exists() -> None:
    import contextlib
    import io

    section = README.partition("## Commands")[2].partition("\n## ")[0]
    helps = ""
    for name in COMMANDS:
        with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit):
            build_parser().parse_args([name.replace("_", "-"), "--help"])
        helps += shown.getvalue()
    for option in set(re.findall(r"(--[a-z][\w-]+)", section)):
        assert option in helps, option


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_extras_are_those_of_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    section = README.partition("## Installing")[2].partition("\n## ")[0]
    for extra in project["optional-dependencies"]:
        assert f"`{extra}`" in section
