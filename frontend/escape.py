"""Escaping of names that come from files or users: one function per language they are written in.

Names of networks, tensors, nodes and files may hold any text. Where they are read, `unprintable`
finds characters that no name may hold. Where they are written, one of the functions below makes
them text that cannot end the comment, string or table cell it is in, nor change the display of the
text around it. All of these use `plain`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata
from collections.abc import Iterable
from typing import Any

_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode categories of control characters, invisible characters (text direction, zero width),
surrogates and line ends.
"""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that are displayed as nothing."""


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _BLANK


def _suspects(text: str) -> bool:
    """Return False only if no character is hidden: a quick test, because most text is ASCII."""
    return not (text.isascii() and text.isprintable())


def unprintable(text: str) -> str:
    """Name the first character that controls the display instead of being shown, "" if none does.

    These are control characters (line ends too), text direction marks, characters of zero width,
    and lone surrogates, which stand for bytes that are not UTF-8.
    """
    if not _suspects(text):
        return ""
    hidden = next((c for c in text if _hidden(c)), None)
    if hidden is None:
        return ""
    name = unicodedata.name(hidden, "a control character")
    return f"U+{ord(hidden):04X} ({name})"


def _code(character: str) -> str:
    """Return a character's escape as in JSON, so that the value of a JSON text does not change."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))


def plain(text: object, keep: str = "") -> str:
    """Escape for a terminal or a text file: hidden characters become ``\\u202e``.

    Args:
        text: anything; a path or number is written as ``str`` does.
        keep: hidden characters to leave, for example ``"\\n\\t"`` in a text of several
            lines.
    """
    text = str(text)
    if not _suspects(text):
        return text
    return "".join(_code(c) if _hidden(c) and c not in keep else c for c in text)


def lines(text: object) -> str:
    """Escape as `plain` does, but leave line ends and tabs."""
    return plain(text, keep="\n\t")


def markup(text: object) -> str:
    """Escape for rich, which reads ``[bold]`` as markup."""
    from rich.markup import escape

    shown = escape(plain(text))
    # An odd number of backslashes at the end would turn a following tag into text.
    return shown + "\\" * ((len(shown) - len(shown.rstrip("\\"))) % 2)


def json_text(value: Any) -> str:
    """Return an indented JSON document that ends in a line end, with hidden characters escaped."""
    return lines(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def c_comment(text: object) -> str:
    """Escape for ``/* … */`` of C, linker scripts and CSS: no comment begins or ends in it."""
    return re.sub(r"\*(?=/)|/(?=\*)", r"\g<0> ", plain(text)).replace("??/", "?? /")


def c_string(text: object) -> str:
    """Return a string literal of C and C++ of ASCII alone; other characters are its UTF-8 bytes."""
    raw = plain(text).encode("utf-8")
    # Octal escapes have three digits, so none takes in what follows; "?" would begin a trigraph.
    kept = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in raw
    )
    return f'"{"".join(kept)}"'


def line_comment(text: object) -> str:
    """Escape for a comment up to the line's end: C++, Verilog, Makefile, CMake, shell, Python.

    A backslash as the last character would continue the comment, so the result never ends in one.
    """
    shown = plain(text).replace("??/", "?? /")
    return f"{shown}." if shown.endswith("\\") else shown


def c_identifier(text: str) -> str:
    """Make part of an identifier of C or CMake, or of a file name: lower-case letters, digits and
    underscores, at most 60 characters; "" if none of the text is usable.
    """
    return re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_").lower()[:60]


_WORDS = frozenset(
    "alignas alignof and and_eq asm atomic_cancel atomic_commit atomic_noexcept auto bitand bitor "
    "bool break case catch char char16_t char32_t char8_t class co_await co_return co_yield compl "
    "concept const const_cast consteval constexpr constinit continue contract_assert decltype "
    "default delete do double dynamic_cast else enum explicit export extern false float for friend "
    "goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq "
    "private protected public reflexpr register reinterpret_cast requires restrict return short "
    "signed sizeof static static_assert static_cast struct switch synchronized template this "
    "thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using "
    "virtual void volatile wchar_t while xor xor_eq "
    # macros of compilers and of system headers that an application may include before
    "complex errno far imaginary interface linux near noreturn small stderr stdin stdout "
    "unix".split()
)
"""Words of C and C++, and lower-case macros, that cannot name a field."""


def c_fields(names: Iterable[str]) -> list[str]:
    """Make identifiers of C, C++ and Verilog of small letters, digits and underscores, one for each
    name, no two alike.
    """
    fields: list[str] = []
    for name in names:
        base = c_identifier(name) or "tensor"
        if base[0].isdigit() or base in _WORDS:
            base = f"t_{base}"
        field, count = base, 1
        while field in fields:
            field, count = f"{base}_{count}", count + 1
        fields.append(field)
    return fields


def verilog_identifier(text: str) -> str:
    """Make part of a Verilog identifier: letters, digits, underscores."""
    return re.sub(r"\W", "_", text, flags=re.ASCII)


def shell(word: str | os.PathLike[str]) -> str:
    """Return a word of a command line that is shown to be copied."""
    return shlex.quote(plain(word))


def markdown(text: object) -> str:
    """Escape for running text and table cells of Markdown: no markup, link or HTML begins in it."""
    return re.sub(r"[\\`*_\[\]<>|&~#!@:]|(?<=www)\.", r"\\\g<0>", plain(text))


def html(text: object) -> Any:
    """Escape for text and attribute values of HTML; markupsafe's Markup is not escaped again."""
    from markupsafe import Markup, escape

    return text if isinstance(text, Markup) else escape(lines(text))
