"""What contributors are told agrees with what the project does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import n2uqc

ROOT = Path(__file__).parents[2]


def _yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_hosted_ci_runs_what_the_makefile_has_on_every_python_supported() -> None:
    jobs = _yaml(".github/workflows/ci.yml")["jobs"]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert {target for line in lines for target in re.findall(r"\bmake (\w+)", line)} <= targets
    assert any(".ci/run" in line for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=")
    assert jobs["test"]["strategy"]["matrix"]["python"][0] == oldest


def test_hooks_run_tools_that_the_test_extra_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {re.split(r"[>=<\[]", line)[0] for line in project["optional-dependencies"]["test"]}
    packages = {"ruff": "ruff", "lint-imports": "import-linter"}
    hooks = _yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]
    tools = [hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks]
    assert tools
    assert {packages[tool] for tool in tools} <= extra


def test_citation_and_changelog_name_the_version() -> None:
    citation = _yaml("CITATION.cff")
    assert citation["version"] == n2uqc.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {citation['version']} – {citation['date-released']}" in changelog


def test_forms_for_issues_have_what_the_site_requires() -> None:
    forms = [p for p in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if p.stem != "config"]
    assert forms
    for form in forms:
        content = _yaml(str(form.relative_to(ROOT)))
        assert {"name", "description", "body"} <= set(content)
        assert all(part["attributes"]["label"] for part in content["body"])
