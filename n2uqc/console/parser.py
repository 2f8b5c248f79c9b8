"""The argument parser of the command line: it answers unknown words with the nearest known ones."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NoReturn

from n2uqc.frontend.escape import plain

_WORD = re.compile(r"invalid choice: '(.*?)' \(choose from", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors name what was probably meant, and where help is."""

    def error(self, message: str) -> NoReturn:
        """Print the message with a hint and leave with status 2."""
        hint = self._hint(message)
        self.exit(2, f"{self.prog}: error: {plain(message)}{hint}\n")

    def unknown(self, words: Iterable[str]) -> NoReturn:
        """Refuse words that no option and no argument takes."""
        words = list(words)
        near = [
            f"{word.partition('=')[0]}: did you mean {_listed(matches)}?"
            for word in words
            if (matches := _near(word.partition("=")[0], self._options()))
        ]
        hint = "".join(f"\n    {plain(line)}" for line in near)
        message = f"unrecognized arguments: {' '.join(words)}"
        self.exit(2, f"{self.prog}: error: {plain(message)}{hint}{self._help()}\n")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse empty values, as an unset variable of a shell script leaves them."""
        if "" in arg_strings and action.nargs != argparse.PARSER:  # those of a command are its own
            raise argparse.ArgumentError(action, "its value is empty")
        return super()._get_values(action, arg_strings)

    def _options(self) -> list[str]:
        return [
            option
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for option in action.option_strings
        ]

    def _hint(self, message: str) -> str:
        found = _WORD.search(message)
        matches = _near(found[1], self._choices()) if found else []
        return f"\n    did you mean {_listed(matches)}?{self._help()}" if matches else self._help()

    def _choices(self) -> Iterator[str]:
        for action in self._actions:
            yield from map(str, action.choices or ())

    def _help(self) -> str:
        return f"\n    `{self.prog} --help` explains"


def _near(word: str, words: Iterable[str]) -> list[str]:
    return get_close_matches(word[:100], list(dict.fromkeys(words)), n=2)


def _listed(words: list[str]) -> str:
    return " or ".join(words)
