"""What a damaged file puts side by side is refused by node, not an internal error."""

from __future__ import annotations

import onnx
import pytest

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.frontend.recognize.pattern import Pattern

from ..networks import build


@pytest.mark.parametrize(
    "error", [ValueError("shapes (3,2) (1,3)"), ZeroDivisionError("by 0"), TypeError("no array")]
)
def test_a_pattern_that_fails_names_its_node(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    from n2uqc.frontend import load

    def fail(node, context) -> None:
        raise error

    broken = Pattern("broken", frozenset({"Tan"}), fail)
    monkeypatch.setattr(load, "PATTERNS_BEFORE_FOLDING", (broken,))
    onnx.save(build("[act] y = Tan (x)", {}), tmp_path / "net.onnx")
    with pytest.raises(CompileError, match="act[\\s\\S]*do not fit each other"):
        load.load_graph(tmp_path / "net.onnx")
