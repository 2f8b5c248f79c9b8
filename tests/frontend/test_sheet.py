"""Tables and paragraphs for any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2uqc.frontend.sheet import Column, Picture, Sheet, name_column, shorten

COLUMNS = (name_column("layer"), Column("bits"), Column("LUT", drop=2), Column("FF", drop=1))


def _written(width: int | None, rows: list[tuple[str, int, int, int]], **options: bool) -> str:
    sheet = Sheet(width, **options)
    sheet.table(COLUMNS, rows)
    return str(sheet)


def test_nothing_is_left_out_where_there_is_room() -> None:
    name = "a/very/long/name/of/a/layer/" * 4
    assert _written(None, [(name, 2, 1234, 5)]).splitlines()[-1] == f"{name}     2  1,234   5"


def test_names_give_way_first_then_columns_in_their_order() -> None:
    rows = [("/layer1/layer1.0/conv1/Conv", 2, 1234567, 89)]
    assert _written(37, rows).splitlines()[-1] == "/laye…conv1/Conv     2  1,234,567  89"
    narrow = _written(30, rows)
    assert "(LUT: in a wider terminal" in narrow.replace("\n  ", " ")
    assert "89" in narrow and "1,234,567" not in narrow
    both = _written(25, rows).replace("\n  ", " ")
    assert "(LUT, FF:" in both


def test_sentences_lose_their_end_and_names_their_middle() -> None:
    assert shorten("/layer2/conv1/Conv", 10) == "/la…1/Conv"
    assert shorten("fixed point: why", 10, at_end=True) == "fixed poi…"
    assert [shorten("abcdef", width) for width in (0, 1, 2, 3)] == ["", "…", "a…", "…ef"]


def test_long_tables_fold() -> None:
    rows = [(f"layer{k}", k, k, k) for k in range(40)]
    text = _written(80, rows)
    assert "… 22 more rows (--all)" in text
    assert "layer11 " in text and "layer12 " not in text and "layer34 " in text
    assert "more rows" not in _written(80, rows, all_rows=True)
    assert "more rows" not in _written(80, rows[:20])


@given(
    st.integers(20, 120),
    st.lists(st.tuples(st.text(max_size=60), *[st.integers(0, 10**12)] * 3), max_size=30),
)
def test_every_line_fits(width: int, rows: list[tuple[str, int, int, int]]) -> None:
    assert all(len(line) <= width for line in _written(width, rows).splitlines())


@pytest.mark.parametrize("width", [20, 80])
def test_paragraphs_wrap_at_words(width: int) -> None:
    sheet = Sheet(width)
    sheet.line("verdict  " + "word " * 40, 9)
    lines = str(sheet).splitlines()
    assert all(len(line) <= width for line in lines) and lines[1].startswith(" " * 9 + "word")


def test_a_picture_is_its_text() -> None:
    sheet = Sheet()
    sheet.table((Column("curve"),), [(Picture("0 1", "<svg></svg>"),)])
    sheet.picture(Picture("", "<svg></svg>"))
    assert str(sheet).splitlines() == ["curve", "-----", "  0 1"]
