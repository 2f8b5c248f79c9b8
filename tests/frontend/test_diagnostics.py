"""CompileError: every problem is listed, and survives pickling (parallel compilation)."""

from __future__ import annotations

import pickle

import pytest

from n2uqc.frontend.diagnostics import CompileError, Problem, Unfit, reason


def test_one_problem_names_node_found_supported_and_hint() -> None:
    text = str(CompileError(Problem("/conv", "Conv", "dilation 2", "dilation 1", "retrain")))
    assert text.startswith("Conv '/conv': dilation 2")
    assert "supported: dilation 1" in text and "retrain" in text


def test_all_problems_are_listed() -> None:
    problems = [Problem(f"n{i}", "Loop", "unsupported operator") for i in range(3)]
    error = CompileError(problems)
    assert error.problems == tuple(problems)
    assert all(f"'n{i}'" in str(error) for i in range(3))
    assert str(error).startswith("3 problems")


def test_what_is_supported_is_said_once() -> None:
    problems = [Problem(f"n{i}", "Loop", "unsupported", "Conv, Add") for i in range(3)]
    assert str(CompileError(problems)).count("Conv, Add") == 1
    assert "Conv, Add" in str(problems[2])


def test_a_very_long_list_is_counted_not_printed() -> None:
    text = str(CompileError(Problem(f"n{i}", "Loop", "x") for i in range(1000)))
    assert "1000 problems" in text and "960 more" in text


def test_names_as_long_as_books_are_cut() -> None:
    name = "a" * 65_536
    text = str(CompileError(Problem(name, name, f"'{name}' is none", name, name)))
    assert "(65,536 characters)" in text and "hint:" in text
    assert len(text) < 20_000


def test_plain_text() -> None:
    assert str(CompileError("no such file: a.onnx")) == "no such file: a.onnx"


def test_pickles() -> None:
    error = CompileError([Problem("a", "b", "c"), Problem("d", "e", "f")])
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="at least one"):
        CompileError([])


def test_a_reason_is_in_our_words() -> None:
    assert reason(Unfit("a width of 99 bits")) == "a width of 99 bits"
    for error, words in (
        (OverflowError("cannot convert Infinity to integer ratio"), "not finite, or too large"),
        (ZeroDivisionError("Fraction(1, 0)"), "division by 0"),
        (KeyError("strides"), "not there"),
        (ValueError("operands could not be broadcast together"), "shape"),
    ):
        assert words in reason(error) and str(error) not in reason(error)
