"""Which tests run which line, and how long each takes: one run of the suite, recorded."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TESTS = ("tests/passes", "tests/properties", "tests/golden", "tests/backends", "tests/e2e")
_RC = "[run]\nsource =\n{sources}\ndata_file = {data}\n"
_OWN = 100  # nearness of the test file of a file
_DURATION = re.compile(r"^([\d.]+)s (?:call|setup) +(\S+::.*)$", re.MULTILINE)


def record(tree: Path, folders: Iterable[str], out: Path) -> None:
    """Run the tests under coverage.

    Args:
        tree: the project.
        folders: of the code whose lines are recorded.
        out: folder for `.coverage` and `durations.json`.

    Raises:
        SystemExit: a test fails without any change, so that nothing could be told.
    """
    out.mkdir(parents=True, exist_ok=True)
    config = out / "coverage.ini"
    sources = "\n".join(f"    {tree / folder}" for folder in folders)
    config.write_text(_RC.format(sources=sources, data=out / ".coverage"), encoding="utf-8")
    options = ["--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report="]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--durations=0", "-vv", *options]
    done = subprocess.run([*command, *TESTS], cwd=tree, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-3000:]}\nthe tests fail without any change: mend them first")
    took: dict[str, float] = defaultdict(float)
    for seconds, test in _DURATION.findall(done.stdout):
        took[test] += float(seconds)
    (out / "durations.json").write_text(json.dumps(took), encoding="utf-8")


@dataclass
class Covering:
    """The record, read.

    Attributes:
        lines: tests by file, relative to the project, and line.
        took: seconds by test.
        readers: files that import from a file.
    """

    lines: dict[str, dict[int, set[str]]]
    took: dict[str, float]
    readers: dict[str, set[str]]

    @classmethod
    def read(cls, tree: Path, out: Path) -> Covering:
        """Read what `record` wrote."""
        lines: dict[str, dict[int, set[str]]] = {}
        with sqlite3.connect(out / ".coverage") as data:
            contexts = dict(data.execute("select id, context from context"))
            files = dict(data.execute("select id, path from file"))
            rows = data.execute("select file_id, context_id, numbits from line_bits")
            for file, context, bits in rows:
                test = contexts[context].partition("|")[0]
                path = Path(files[file]).resolve().relative_to(tree.resolve()).as_posix()
                if not path.endswith(".py"):  # a template, which is compiled under its own name
                    continue
                table = lines.setdefault(path, defaultdict(set))
                for line in _set_bits(bits):
                    table[line].add(test)
        took = json.loads((out / "durations.json").read_text(encoding="utf-8"))
        readers: dict[str, set[str]] = defaultdict(set)
        for path in lines:
            for imported in imports(tree, path):
                readers[imported].add(path)
        return cls(lines, took, readers)

    def of(self, path: str, first: int, last: int) -> list[str]:
        """Return the tests that run a statement: first those of its file, then of its folders.

        Of equally near ones the quickest of each test function come first.  A statement that runs
        at import is run by every test of its file, before them by those that run a function in it;
        where the file holds data alone, by every test of the files that import from it.
        """
        table = self.lines.get(path, {})
        own = set().union(*(table.get(line, set()) for line in range(first, last + 1)))
        tests = own
        if "" in own:
            tests = set().union(*table.values())
            if tests == {""}:
                read = (self.lines.get(reader, {}) for reader in self.readers.get(path, ()))
                tests = set().union(*(found for lines in read for found in lines.values()))
        tests = tests - {""}
        ranks: dict[str, int] = defaultdict(int)
        order = []
        for test in sorted(tests, key=lambda t: (self.took.get(t, 0.0), t)):
            function = test.partition("[")[0]
            near = _nearness(path, test)
            took = self.took.get(test, 0.0)
            order.append((test not in own, near < _OWN, ranks[function], -near, took, test))
            ranks[function] += 1
        return [test for *_, test in sorted(order)]


def imports(tree: Path, path: str) -> set[str]:
    """Return the files that a file names in relative imports."""
    found = set()
    for node in ast.walk(ast.parse((tree / path).read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = Path(path).parents[node.level - 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                module = folder / name.replace(".", "/")
                found |= {f"{module.as_posix()}.py", f"{module.as_posix()}/__init__.py"}
    return found


def _nearness(path: str, test: str) -> int:
    """Return how many folders a file and a test share, and more where it is the file's own test."""
    own, others = Path(path), Path(test.partition("::")[0]).relative_to("tests")
    shared = 0
    for a, b in zip(own.parent.parts, others.parent.parts, strict=False):
        if a != b:
            break
        shared += 1
    return shared + _OWN * (others.stem == f"test_{own.stem}")


def _set_bits(bits: bytes) -> Iterable[int]:
    return (8 * k + b for k, byte in enumerate(bits) for b in range(8) if byte >> b & 1)
