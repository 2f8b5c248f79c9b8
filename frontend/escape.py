"""Text from a file or a user as data: one function for each language it is written into.

Names of networks, tensors, nodes and files are whatever somebody wrote there.  Where they are read
`unprintable` finds what no name may hold; where they are written, one of the functions below makes
them a piece of text that can neither end the comment, string or cell it stands in nor move what is
around it on a screen.  All of them build on `plain`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata
from typing import Any

_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Control characters, invisible ones (directions, zero width), surrogates, ends of lines."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks of no width or no ink."""


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _BLANK


def _suspects(text: str) -> bool:
    """False only if nothing is hidden; quick, for nearly all text is ASCII."""
    return not (text.isascii() and text.isprintable())


def unprintable(text: str) -> str:
    """Names the first character that acts on a screen instead of being seen; "" if none does.

    Such are control characters (ends of lines among them), marks of direction, characters of no
    width, and halves of surrogate pairs, which stand for bytes that are not UTF-8.
    """
    if not _suspects(text):
        return ""
    found = next((c for c in text if _hidden(c)), None)
    if found is None:
        return ""
    name = unicodedata.name(found, "a control character")
    return f"U+{ord(found):04X} ({name})"


def _code(character: str) -> str:
    """As in JSON, so that JSON stays the same value."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))


def plain(text: object, keep: str = "") -> str:
    """For a terminal, and for files that people read: hidden characters as ``\\u202e``.

    Args:
        text: anything; a path or number is written as ``str`` does.
        keep: hidden characters that stay, ``"\\n\\t"`` where the text has lines of its own.
    """
    text = str(text)
    if not _suspects(text):
        return text
    return "".join(_code(c) if _hidden(c) and c not in keep else c for c in text)


def lines(text: object) -> str:
    """`plain` for text of several lines."""
    return plain(text, keep="\n\t")


def markup(text: object) -> str:
    """For a cell or line of rich, whose ``[bold]`` is markup."""
    from rich.markup import escape

    shown = escape(plain(text))
    # An odd number of backslashes at the end would take the tag behind for text.
    return shown + "\\" * ((len(shown) - len(shown.rstrip("\\"))) % 2)


def json_text(value: Any) -> str:
    """A JSON document for people: indented, an end of line behind, hidden characters escaped."""
    return lines(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def c_comment(text: object) -> str:
    """For ``/* … */`` of C, linker scripts and CSS: no begin and no end of a comment in it."""
    return re.sub(r"\*(?=/)|/(?=\*)", r"\g<0> ", plain(text)).replace("??/", "?? /")


def line_comment(text: object) -> str:
    """For a comment to the line's end: C++, Verilog, Makefile, CMake, shell, Python.

    A backslash at its end would continue the comment, so one is never last.
    """
    shown = plain(text).replace("??/", "?? /")
    return f"{shown}." if shown.endswith("\\") else shown


def c_identifier(text: str) -> str:
    """Part of a symbol of C, CMake and file names: small letters, digits, underscores; at most 60
    characters, "" if nothing is left."""
    return re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_").lower()[:60]


def verilog_identifier(text: str) -> str:
    """Part of a name in Verilog: letters, digits, underscores."""
    return re.sub(r"\W", "_", text, flags=re.ASCII)


def shell(word: str | os.PathLike[str]) -> str:
    """A word of a command line that is shown to be copied."""
    return shlex.quote(plain(word))


def html(text: object) -> Any:
    """For text and attribute values of HTML; what is markup already (markupsafe's) stays."""
    from markupsafe import Markup, escape

    return text if isinstance(text, Markup) else escape(lines(text))
