"""Precision on the command line: the search, its refusals, and the report of `verify --input`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from n2uqc.models import data, shipped
from n2uqc.passes.program import load

from .conftest import Command

MODEL = shipped.path("digits_2bit")


def calibration(folder: Path, count: int = 16) -> Path:
    path = folder / "calib.npz"
    np.savez(path, x=data.digits().train.images[:count])
    return path


def test_auto_prints_its_choices_and_narrows(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "small.n2uq"
    result = command(
        "compile",
        MODEL,
        "--target",
        "program",
        "-o",
        out,
        "--precision",
        "auto",
        "--calib",
        calibration(tmp_path),
        "--flip-rate",
        "0.005",
    )
    assert result.status == 0, result.err
    assert "fixed-point width of" in result.err and "conv1.weight" in result.err
    program = load(out)
    widths = dict(part.split("=") for part in program.metadata["widths"].split(","))
    assert int(widths["conv1.weight"]) < 24
    assert program.types["input"].bits <= int(widths["input"]) < 24


def test_auto_needs_calibration_and_a_rate_belongs_to_it(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "p.n2uq"
    for extra, message in (
        (("--precision", "auto"), "--precision auto needs calibration images: --calib X.npz"),
        (("--flip-rate", "0.1"), "--flip-rate belongs to --precision auto"),
    ):
        result = command("compile", MODEL, "--target", "program", "-o", out, *extra)
        assert result.status == 2 and message in result.err and not out.exists()


def test_verify_reports_flips_and_the_network_as_exported(command: Command, tmp_path: Path) -> None:
    images = tmp_path / "x.npy"
    np.save(images, data.digits().test.images[:40])
    result = command("verify", MODEL, "--input", images, "--executors", "interpreter", "--json")
    assert result.status == 0, result.err
    report = json.loads(result.out)["exact_arithmetic"]
    assert report["flip_rate"] == 0 and report["top1_agreement"] == report["samples"] == 40
    assert report["relative_logit_error"] < 1e-3
    assert report["as_exported"]["top1_agreement"] == 40
    assert report["first_flip"] is None
    assert {row["layer"] for row in report["layers"]} >= {"layer1.0.quan1", "layer2.0.quan2"}
    text = command(
        "verify", MODEL, "--input", images, "--executors", "interpreter", "--precision", "small"
    ).out
    assert "of the codes differ" in text and "0.00e+00 of the codes differ" not in text
    assert "the first codes to differ are those of layer1.0.quan1: it compares relu, " in text
    assert "verdict  IDENTICAL" in text


def test_input_scale_is_another_name_of_pixels(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "p.n2uq"
    result = command(
        "compile",
        MODEL,
        "--target",
        "program",
        "-o",
        out,
        "--input-scale",
        "1/16",
        "--mean",
        "0.1",
        "--std",
        "0.5",
    )
    assert result.status == 0, result.err
    assert load(out).interface.input.pixels


def test_single_widths_can_be_set(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "p.n2uq"
    result = command(
        "compile",
        MODEL,
        "--target",
        "program",
        "-o",
        out,
        "--width",
        "conv1.weight=12",
        "--width",
        "input=10",
    )
    assert result.status == 0, result.err
    program = load(out)
    assert program.metadata["widths"] == "conv1.weight=12,input=10"
    assert program.types["input"].bits <= 10
    assert program.constants["conv1.weight.fixed"].bits <= 12
    for wrong, message in (
        ("conv9=12", "there are input, conv1"),
        ("input=99", "takes 8..56"),
        ("input", "not NAME=BITS"),
    ):
        failed = command("compile", MODEL, "--target", "program", "-o", out, "--width", wrong)
        assert failed.status == 2 and message in failed.err
