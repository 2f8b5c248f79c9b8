"""Every language's escape against a reader of that language."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
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
    for function in (
        escape.plain,
        escape.c_comment,
        escape.c_string,
        escape.line_comment,
        escape.markdown,
        escape.markup,
    ):
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
def test_markdown_is_read_as_the_text(text: str) -> None:
    """A sentence and a cell of a table hold it; it is text alone, whatever it says."""
    shown = escape.markdown(text)
    page = f"A {shown} b\n\n| x | y |\n|---|---|\n| {shown} | z |\n"
    inline = [t for t in MarkdownIt("commonmark").enable("table").parse(page) if t.type == "inline"]
    assert len(inline) == 5
    leaves = [leaf for token in inline for leaf in token.children or []]
    assert {leaf.type for leaf in leaves} <= {"text", "text_special"}
    cell = "".join(leaf.content for leaf in inline[3].children or [])
    assert cell.strip() == " ".join(escape.plain(text).split(" ")).strip()


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


def test_a_string_of_c_is_the_text(tmp_path: Path) -> None:
    """A compiler reads the same, also where trigraphs or digits behind an escape could act."""
    texts = [
        PRINTABLE,
        *HIDDEN,
        "",
        '"',
        "\\",
        "??/",
        "??)",
        "\x010",
        "é1",
        "重み 7",
        "a\nb",
        "%s{}",
    ]
    source = tmp_path / "strings.c"
    lines = "".join(f"puts({escape.c_string(text)});\n" for text in texts)
    source.write_text(f"#include <stdio.h>\nint main(void)\n{{\n{lines}return 0;\n}}\n")
    command = ["gcc", "-std=c11", "-Wall", "-Wtrigraphs", "-Werror", source, "-o", tmp_path / "run"]
    subprocess.run(command, check=True)
    found = subprocess.run([tmp_path / "run"], capture_output=True, check=True).stdout
    assert found == "".join(f"{escape.plain(text)}\n" for text in texts).encode()


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


# Keywords of C23 and C++23, and macros that GCC defines or that <stdio.h> and <errno.h> may.
WORDS = """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t
    char16_t char32_t class compl concept const consteval constexpr constinit const_cast continue
    co_await co_return co_yield decltype default delete do double dynamic_cast else enum explicit
    export extern false float for friend goto if inline int long mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires
    restrict return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
    virtual void volatile wchar_t while xor xor_eq linux unix errno stdin stdout stderr complex"""


@pytest.mark.parametrize("language", [["c", "-std=gnu17"], ["c++", "-std=gnu++20"]])
def test_words_of_the_language_name_no_field(language: list[str], tmp_path: Path) -> None:
    """A network's inputs may have any names; a compiler reads what they become."""
    fields = escape.c_fields(WORDS.split())
    members = "\n".join(f"    const int *{field};" for field in fields)
    uses = "\n".join(f"    x->{field} = 0;" for field in fields)
    source = tmp_path / "fields"
    headers = "".join(f"#include <{name}.h>\n" for name in ("errno", "stdio", "complex"))
    source.write_text(f"{headers}struct s {{\n{members}\n}};\nvoid f(struct s *x) {{\n{uses}\n}}\n")
    command = ["gcc", "-x", *language, "-fsyntax-only", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "error trying to exec" in done.stderr or "cannot execute" in done.stderr:
        pytest.skip("this gcc has no compiler of C++")
    assert done.returncode == 0, done.stderr
    assert len(set(fields)) == len(fields)
