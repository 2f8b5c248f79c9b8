"""Objects by import path: modules and files of the user's, and what is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")

from n2uqc.models.training.import_path import imported
from n2uqc.models.training.recipe import RecipeError, Settings


def test_a_file_finds_what_lies_beside_it(tmp_path: Path) -> None:
    """Two files of one name are two modules, and neither takes the place of a package's."""
    settings = Settings(file="it", folder=tmp_path)
    for folder, value in (("one", 1), ("two", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "json.py").write_text(
            f"from dataclasses import dataclass\nfrom beside_{folder} import VALUE\n"
            "@dataclass\nclass Net:\n    value: int = VALUE\n"
        )
        (tmp_path / folder / f"beside_{folder}.py").write_text(f"VALUE = {value}\n")
    path = list(sys.path)
    assert imported(settings, "key", "one/json.py:Net")().value == 1
    assert imported(settings, "key", f"{tmp_path}/two/json.py:Net")().value == 2
    assert sys.path == path and hasattr(sys.modules["json"], "dumps")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no.py:Net", "it: key: there is no file .*no.py"),
        ("net.py", 'an import path is "package.module:name" or "file.py:name"'),
        ("net.py:", "an import path is"),
        ("net.py:not a name", "an import path is"),
        ("net.py:nothing", "it: key: net.py has no nothing"),
        ("net.py:Outer.nothing", "it: key: net.py has no Outer.nothing"),
        ("failing.py:Net", "importing failing.py fails: ValueError: on purpose"),
    ],
)
def test_what_is_wrong(path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("class Outer:\n    class Net: pass\n")
    (tmp_path / "failing.py").write_text("raise ValueError('on purpose')\n")
    settings = Settings(file="it", folder=tmp_path)
    with pytest.raises(RecipeError, match=message):
        imported(settings, "key", path)
    assert imported(settings, "key", "net.py:Outer.Net").__name__ == "Net"
