"""The error of the compiler: node, what was found, what is supported, and a hint how to fix it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .escape import plain

_LISTED = 40  # problems printed in full; an unsupported network could have thousands


_NAME, _FOUND, _TEXT = 200, 12_000, 3_000
"""Characters shown of a name, of `found` (which may be a list), and of `supported` and `hint`."""


def cut(text: str, most: int = _NAME) -> str:
    """Shorten a text that is longer than `most` characters; the result states the full length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


@dataclass(frozen=True)
class Problem:
    """One reason why a network cannot be compiled.

    Attributes:
        node: name of the ONNX node, file, initializer or option that has the problem.
        op: operator type of that node, "" where there is no node.
        found: what was found there.
        supported: what would have been accepted, "" if that is obvious from `found`.
        hint: what the user can do, "" if nothing is known.
    """

    node: str
    op: str
    found: str
    supported: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return self.text()

    def text(self, supported: bool = True) -> str:
        """Return the message; `supported` false leaves out that line,
        where an earlier problem had it.
        """
        node = f"'{cut(plain(self.node), _NAME)}'" if self.node else ""
        place = " ".join(part for part in (cut(plain(self.op), _NAME), node) if part)
        found = cut(self.found, _FOUND)
        text = f"{place}: {found}" if place else found
        if self.supported and supported:
            text += f"\n    supported: {cut(self.supported, _TEXT)}"
        if self.hint:
            text += f"\n    hint:      {cut(self.hint, _TEXT)}"
        return text


class Unfit(ValueError):
    """A value that cannot stand where it does; the message says which one."""


def reason(error: BaseException) -> str:
    """Return what is wrong: the message of n2uqc's own exceptions, our words for any other's.

    Python's and NumPy's messages are about their own calls, as "cannot convert Infinity to integer
    ratio" is; they tell a user nothing about the network.
    """
    if type(error).__module__.startswith("n2uqc."):
        return str(error)
    for kind, words in _REASONS.items():
        if isinstance(error, kind):
            return words
    return "a value, type or shape that cannot be here"


_REASONS: dict[type[BaseException], str] = {
    UnicodeError: "text that is not UTF-8",
    ZeroDivisionError: "a division by 0",
    ArithmeticError: "a number that is not finite, or too large",
    LookupError: "something that is named or counted, but is not there",
    RecursionError: "something nested too deeply",
    EOFError: "it ends too early",
}


class CompileError(Exception):
    """The input cannot be compiled; `str(error)` lists every problem found.

    Attributes:
        problems: the reasons, at least one.
    """

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = [Problem(node="", op="", found=problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        if not self.problems:
            raise ValueError("a CompileError needs at least one problem")
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines, said = [f"{len(self.problems)} problems:"], set()
        for problem in self.problems[:_LISTED]:
            lines.append(f"  - {problem.text(problem.supported not in said)}")
            said.add(problem.supported)
        if len(self.problems) > _LISTED:
            lines.append(f"  … and {len(self.problems) - _LISTED} more")
        return "\n".join(lines)
