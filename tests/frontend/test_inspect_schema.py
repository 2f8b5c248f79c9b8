"""INSPECT.md documents exactly the keys that the summary writes, with their types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2uqc.frontend import summary as summary_module
from n2uqc.frontend.load import load_graph
from n2uqc.frontend.summary import summarize
from tests.frontend.networks import build, ladder, rungs
from tests.frontend.qonnx_models import qonnx_model, quant, quant_parameters

TEXT = (Path(summary_module.__file__).parent / "INSPECT.md").read_text()
T = [-0.5, 0.1, 0.9]

CHECKS: dict[str, Any] = {
    "string": lambda v: isinstance(v, str),
    "int": lambda v: type(v) is int,
    "number": lambda v: isinstance(v, (int, float)),
    "number or null": lambda v: v is None or isinstance(v, (int, float)),
    "int or null": lambda v: v is None or type(v) is int,
    "list": lambda v: isinstance(v, list),
    "list of int": lambda v: all(type(i) is int for i in v),
    "list of int or string": lambda v: all(type(i) is int or isinstance(i, str) for i in v),
    "list of lists": lambda v: all(isinstance(i, list) for i in v),
    "list of `{name, shape}`": lambda v: all(set(i) == {"name", "shape"} for i in v),
    "list of `{node, text}`": lambda v: all(set(i) == {"node", "text"} for i in v),
    "object": lambda v: isinstance(v, dict),
}


def documented(heading: str) -> dict[str, str]:
    """Keys of a section's table and the type it gives them."""
    section = TEXT.split(heading, 1)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", section, re.MULTILINE)
    return {key: kind for keys, kind in rows for key in re.findall(r"`(\w+)`", keys)}


def check(found: dict[str, Any], heading: str) -> None:
    keys = documented(heading)
    assert set(found) == set(keys)
    for key, kind in keys.items():
        if kind.startswith(('`"', 'list of `"')):
            values = found[key] if kind.startswith("list") else [found[key]]
            assert set(values) <= set(re.findall(r'"([^"]*)"', kind)), key
        else:
            assert CHECKS[kind](found[key]), (key, kind, found[key])


def models() -> list[Any]:
    parameters = rungs(T, [0, 1, 2, 3]) | {"W": np.ones((1, 2, 1, 1)) * 0.3}
    threshold = build(ladder(3) + "[c] y = Conv (f, W)", parameters)
    uniform = qonnx_model(
        quant("q", "x", "f") + quant("w", "W", "v") + "[c] y = Conv (f, v)",
        quant_parameters("q", 0.5, 0, 3) | quant_parameters("w", 0.1, 0, 4)
        | {"W": np.random.default_rng(0).normal(size=(3, 2, 1, 1))},
        out=(2, 3, 4, 4),
    )  # fmt: skip
    codebook = build(ladder(3) + "y = Relu (f)", rungs(T, [0, 1, 2, 4]))
    return [threshold, uniform, codebook]


@pytest.mark.parametrize(
    ("index", "kind", "rule", "levels"),
    [
        (0, "threshold", ">", [0, 1, 2, 3]),
        (1, "uniform", "mixed", [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5]),
        (2, "codebook", ">", [0, 1, 2, 4]),
    ],
)
def test_json_is_as_documented(index: int, kind: str, rule: str, levels: list[float]) -> None:
    found = json.loads(json.dumps(summarize(load_graph(models()[index])).to_dict()))
    check(found, "# What")
    for quantizer in found["quantizers"]:
        check(quantizer, "## `quantizers`")
    for layer in found["layers"]:
        check(layer, "## `layers`")
    (quantizer,) = found["quantizers"]
    assert (quantizer["kind"], quantizer["rule"], quantizer["levels"]) == (kind, rule, levels)
    assert (quantizer["step"] is None) == (kind == "codebook")
