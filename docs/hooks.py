"""Pages that are made while the site is built, so that nothing is written twice.

`commands.md` comes from the parser of the command line, `api.md` from the list of public names.
"""

from __future__ import annotations

import argparse
import os

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name, content in (("commands", commands()), ("api", api())):
        files.append(File.generated(config, f"{name}.md", content=content))
    return files


def commands() -> str:
    """Return every command's own help as Markdown."""
    from n2uqc.cli import build_parser

    os.environ["COLUMNS"] = "88"
    parts = ["# Commands\n", "What each command says with `--help`.\n"]
    for name, parser in _subparsers(build_parser()):
        parts.append(f"## n2uqc {name}\n\n```text\n{parser.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def api() -> str:
    """Return a page that documents each public name."""
    import n2uqc

    names = [name for name in n2uqc.__all__ if not name.startswith("__")]
    functions = [name for name in names if name[0].islower()]
    types = [name for name in names if name[0].isupper()]
    parts = ["# Python", "Everything public is in `n2uqc`; other modules may change.\n"]
    for title, group in (("Functions", functions), ("Types", types)):
        parts += [f"## {title}\n", *(f"::: n2uqc.{name}\n" for name in group)]
    return "\n".join(parts)


def _subparsers(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return [item for group in groups for item in group.choices.items()]
