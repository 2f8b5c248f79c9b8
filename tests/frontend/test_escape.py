"""Every language's escape against a reader of that language."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from n2uqc.frontend import escape
from tests.hostile import CANARY, HIDDEN, PRINTABLE, acts

TEXTS = st.one_of(
    st.sampled_from((PRINTABLE, *HIDDEN)),
    st.text(max_size=30),
    st.lists(st.sampled_from(["/", "*", "\\", "[", "]", "a", "?", "\n", "=", " "])).map("".join),
)


@pytest.mark.parametrize("name", HIDDEN)
def test_what_acts_is_named_and_shown_as_its_code(name: str) -> None:
    assert escape.unprintable(name).startswith("U+")
    assert not acts(escape.plain(name))
    assert json.loads(f'"{escape.plain(name)}"') == name


@pytest.mark.parametrize(
    "name", ["conv1", "/layer.0/conv[1]:0", "Größe", "重み", "وزن", "🙂", PRINTABLE]
)
def test_text_of_any_script_stays(name: str) -> None:
    assert escape.unprintable(name) == ""
    assert escape.plain(name) == name


@given(TEXTS)
def test_nothing_that_acts_is_left(text: str) -> None:
    for function in (escape.plain, escape.c_comment, escape.line_comment, escape.markup):
        assert not acts(function(text))
    assert not acts(escape.lines(text)) - {"\t"}


@given(TEXTS)
def test_markup_is_read_as_the_text(text: str) -> None:
    """Markup behind it stays markup; rich is not exact about backslashes before a bracket."""
    read = Text.from_markup(f"{escape.markup(text)}[bold].[/bold]", emoji=False)
    assert read.plain.replace("\\", "") == f"{escape.plain(text)}.".replace("\\", "")
    assert [(span.start, span.style) for span in read.spans] == [(len(read) - 1, "bold")]


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_json_is_read_as_the_value(value: object) -> None:
    text = escape.json_text(value)
    assert json.loads(text.encode()) == value
    assert not acts(text)


@given(TEXTS)
def test_html_is_read_as_the_text(text: str) -> None:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.append(data)

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag == "p"
            assert [attribute for attribute, _ in attrs] == ["title"]
            found.append(str(dict(attrs)["title"]))

    reader = Reader()
    reader.feed(f'<p title="{escape.html(text)}">{escape.html(text)}</p>')
    reader.close()
    assert "".join(found) == 2 * escape.lines(text)


def test_comments_of_c_end_where_they_should(tmp_path: Path) -> None:
    """The C preprocessor strips comments where it should, with trigraphs on as with -std=c11."""
    alphabet = ("/", "*", "\\", "?", "??/", "\n", CANARY)
    texts = [PRINTABLE, f"{PRINTABLE}\\", *HIDDEN]
    texts += [f"{a}{b}{c}{CANARY}{a}" for a in alphabet for b in alphabet for c in alphabet]
    source = tmp_path / "comments.c"
    source.write_text(
        "".join(
            f"int a{k}; /* {escape.c_comment(t)} */\nint b{k}; // {escape.line_comment(t)}\n"
            for k, t in enumerate(texts)
        )
    )
    command = ["gcc", "-std=c11", "-Wall", "-Werror", "-E", "-P", source]
    left = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert CANARY not in left
    assert left.split() == " ".join(f"int a{k}; int b{k};" for k in range(len(texts))).split()


@pytest.mark.parametrize("text", [PRINTABLE, *HIDDEN, "", "-x", "a b"])
def test_a_word_of_a_shell_line_stays_one(text: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"printf %s. {escape.shell(text)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{escape.plain(text)}."
    assert not list(tmp_path.iterdir())


@given(TEXTS)
def test_identifiers(text: str) -> None:
    assert f"n{escape.c_identifier(text)}".isidentifier()
    assert escape.c_identifier(text).isascii()
    assert len(escape.c_identifier(text)) <= 60
    assert escape.c_identifier(escape.c_identifier(text)) == escape.c_identifier(text)
    assert f"n{escape.verilog_identifier(text)}".isidentifier()
    assert escape.verilog_identifier(text).isascii()
