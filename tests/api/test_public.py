"""What is public: the list, its documentation, and what objects look like where they are shown."""

from __future__ import annotations

import inspect
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import n2uqc

FUNCTIONS = {
    "compile", "convert", "cost", "design", "evaluate", "import_checkpoint", "inspect", "load",
    "open_artifact", "profile", "reproduce", "run", "save", "search", "search_precision",
    "shipped_networks", "simulate", "study", "sweep", "train", "verify",
}  # fmt: skip
RESULTS = {
    "Artifact", "Certificate", "Conversion", "CostComparison", "DatapathDesign", "AccuracyReport",
    "ImportedCheckpoint", "Inspection", "KernelProfile", "PrecisionSearch", "Program",
    "ProgramInspection", "RunResult", "Reproduction", "ShippedNetworks", "StudyReport",
    "SweepReport", "TrainingReport",
}  # fmt: skip
CHOICES = {"Fold", "Folding", "Options", "Pixels"}
ERRORS = {
    "CompileError", "IllegalOp", "InputError", "MissingPart", "Problem", "StoreError",
    "ToolchainError", "UserError",
}  # fmt: skip
WARNINGS = {"PrecisionWarning", "SaturationWarning"}


def test_the_list() -> None:
    """A name that leaves this list breaks programs of users: announce it in the changelog."""
    listed = {*FUNCTIONS, *RESULTS, *CHOICES, *ERRORS, *WARNINGS, "__version__"}
    assert {*n2uqc.__all__} == listed == {*dir(n2uqc)}
    for name in ERRORS - {"Problem"}:
        assert issubclass(getattr(n2uqc, name), Exception)
    for name in WARNINGS:
        assert issubclass(getattr(n2uqc, name), UserWarning)


@pytest.mark.parametrize("name", sorted(FUNCTIONS | RESULTS | CHOICES | ERRORS | WARNINGS))
def test_everything_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(n2uqc, name))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_state_their_types_and_arguments(name: str) -> None:
    function = getattr(n2uqc, name)
    signature, text = inspect.signature(function), inspect.getdoc(function) or ""
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
    assert "Raises:" in text
    if name not in ("open_artifact", "save"):
        body = text.partition("Args:")[2]
        assert [p for p in signature.parameters if p not in body] == []


def test_options_are_all_public() -> None:
    hints = get_type_hints(n2uqc.Options)
    assert n2uqc.Pixels in getattr(hints["pixels"], "__args__", ())
    chosen = n2uqc.Options(pixels=n2uqc.Pixels(1 / 255, mean=(0.5,), std=(0.25,)))
    assert chosen.pixels is not None and chosen.pixels.std == (0.25,)


class Elements(HTMLParser):
    """Counts elements, and checks that each is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def objects(model: Path, program: n2uqc.Program, images: np.ndarray) -> dict[str, Any]:
    """One of everything that functions return."""
    return {
        "program": program,
        "artifact": n2uqc.compile(program, "fpga"),
        "network": n2uqc.inspect(model),
        "inspected program": n2uqc.inspect(program),
        "simulation": n2uqc.simulate(program, images),
        "evaluation": n2uqc.evaluate(program, images, [0, 1, 2, 3, 4]),
        "cost": n2uqc.cost(program),
        "design": n2uqc.design(program, target_cycles=20_000),
        "certificate": n2uqc.verify(program, executors=["interpreter"], samples=2),
    }


def test_what_is_shown_is_short(objects: dict[str, Any]) -> None:
    for name, value in objects.items():
        shown = repr(value)
        assert len(shown) < 300 and shown.count("\n") < 3, name
        assert shown.startswith(f"<{type(value).__name__}")


def test_what_objects_hold_is_short_too(objects: dict[str, Any], images: np.ndarray) -> None:
    program, design = objects["program"], objects["design"]
    options = n2uqc.Options(calibration=images, widths={"conv1": 20}, stem_bits=12)
    parts = (
        options,
        design.folding,
        design.plan,
        objects["cost"].networks,
        objects["network"].found,
        n2uqc.simulate(program, images, datapath=True).cycles,
        max(program.constants.values(), key=lambda constant: constant.values.size),
    )
    for value in parts:
        assert len(repr(value)) < 300 and "\n" not in repr(value), type(value)
    assert repr(options) == ("Options(stem_bits=12, calibration=<5 images>, widths=<1 tensors>)")
    assert repr(n2uqc.Options()) == "Options()"


def test_notebooks_get_html(objects: dict[str, Any]) -> None:
    for name, value in objects.items():
        html = value._repr_html_()
        assert html.startswith("<div") and len(html) < 100_000, name
        elements = Elements(html)
        assert "table" in elements.found or "pre" in elements.found or "p" in elements.found
    assert Elements(objects["cost"]._repr_html_()).found.count("svg") == 1  # a bar a dress
    network = Elements(objects["network"]._repr_html_()).found
    assert network.count("svg") == 5 and network.count("table") == 2  # a staircase a quantizer


def test_outputs_by_name(program: n2uqc.Program, images: np.ndarray) -> None:
    found = n2uqc.simulate(program, {"input": images})
    np.testing.assert_array_equal(found.output, program(images))
    assert list(found.outputs) == ["output"]
    whole = n2uqc.simulate(program, images, integers=True, dump=True)
    np.testing.assert_array_equal(whole.output, whole.tensors[program.output])
    assert whole.output.dtype == np.int64
