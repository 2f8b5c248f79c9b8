"""``design`` and ``search``: a datapath for a program, with its cycles and resources."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from n2uqc.backends import Request
from n2uqc.backends.datapath import DATAPATH
from n2uqc.backends.datapath_table import ENGINE_COLUMNS
from n2uqc.backends.fpga import Folding
from n2uqc.backends.fpga.design import CLOCK_HZ, Design, plan
from n2uqc.backends.fpga.fitting import chosen_folding
from n2uqc.backends.search import FpgaDevice, SearchResult, find_device
from n2uqc.backends.search import search as search_folding
from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.sheet import Sheet, name_column
from n2uqc.passes import Options
from n2uqc.passes.program import Program

from .errors import UserError, names_missing_parts
from .model import Openable, open_model
from .progress import SILENT, Progress
from .result import Result

_COLUMNS = {
    "cycles" if key == "busy" else key: column
    for key, column in ENGINE_COLUMNS.items()
    if key != "bits"
}


@dataclass(frozen=True, repr=False)
class DatapathDesign(Result):
    """A planned datapath: its folding, what it takes, how fast it is at the clock assumed.

    Attributes:
        found: the plan, and the device whose budget was kept.
    """

    found: SearchResult

    @property
    def plan(self) -> Design:
        """Everything that simulation, Verilog and cost take."""
        return self.found.design

    @property
    def folding(self) -> Folding:
        """The parallelism of every engine, as ``compile`` and ``simulate`` take it."""
        return self.found.folding

    @property
    def device(self) -> FpgaDevice | None:
        """The device that it fits; None if none was named."""
        return self.found.device

    @property
    def interval(self) -> int:
        """Cycles between two images: those of the slowest engine."""
        return self.found.interval

    @property
    def clock_hz(self) -> float:
        """The clock assumed."""
        return self.found.clock_hz

    @property
    def images_per_second(self) -> float:
        """Rate at the clock assumed."""
        return self.found.fps

    @property
    def resources(self) -> dict[str, Any]:
        """Cells of the whole datapath: lut, ff, carry, dsp, bram18."""
        return asdict(self.found.total)

    def rows(self) -> list[dict[str, Any]]:
        """Return the table: engines, what is between them, the total, what the device holds."""
        return self.found.rows()

    def to_json(self) -> dict[str, Any]:
        return self.found.to_dict()

    def summary(self) -> str:
        total = self.resources
        return (
            f"{len(self.folding.engines)} engines, {total['lut']:,.0f} LUT, {total['dsp']:,.0f} "
            f"DSP, {total['bram18']:,.0f} BRAM18, {self.images_per_second:,.0f} images/s at "
            f"{self.clock_hz / 1e6:g} MHz"
        )

    def write(self, sheet: Sheet) -> None:
        rows = [(row["name"], *(row.get(key) for key in _COLUMNS)) for row in self.rows()]
        sheet.table((name_column("tensor"), *_COLUMNS.values()), rows)
        sheet.line(
            f"initiation interval {self.interval:,} cycles: {self.images_per_second:,.0f} images/s "
            f"at {self.clock_hz / 1e6:g} MHz (the clock is assumed); counted as yosys maps it for "
            f"{self.plan.family.id}, nothing is placed or routed"
        )


@names_missing_parts
def design(
    model: Openable,
    *,
    folding: Folding | None = None,
    target_cycles: int | None = None,
    target_fps: float | None = None,
    device: str | None = None,
    technology: str | None = None,
    clock_hz: float = CLOCK_HZ,
    fill: float | None = None,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    progress: Progress = SILENT,
) -> DatapathDesign:
    """Plan the datapath of a program: a given folding, one searched for a rate or a device, or a
    balanced one.

    Args:
        model: a program, or a network or saved program (path, bytes, ``onnx.ModelProto``,
            ``onnx_ir.Model``).
        folding: processing elements and SIMD lanes of every engine; a rate and a device then check
            it.
        target_cycles: busy cycles per image of the slowest engine, at the least area.
        target_fps: images per second at the clock, at the least area.
        device: FPGA whose resources must suffice, such as ``xc7z020``; without a rate, the highest
            that fits.
        technology: FPGA family whose cells are counted: xc7, xcup, ecp5 or ice40; the device's,
            else xc7.
        clock_hz: assumed clock of the hardware, not checked.
        fill: percent of the device's resources that may be taken.
        options, input_shape: as for ``load``, for networks.
        progress: what is told of the work.

    Raises:
        CompileError: the folding does not fit the program, the rate or device is out of reach, or a
            name is unknown.
        UserError: a fill without a device, or a device of another family.
    """
    program = open_model(model, options, input_shape).program
    chosen = None if device is None else find_device(device, fill)
    family = technology or "xc7"
    if chosen is not None:
        if technology not in (None, chosen.family.id):
            raise UserError(
                f"--technology {technology}, but {chosen.id} is of {chosen.family.id}; "
                "leave one of them out"
            )
        family = chosen.family.id
    found = choose_folding(
        program,
        folding=folding,
        target_cycles=target_cycles,
        target_fps=target_fps,
        device=device,
        clock_hz=clock_hz,
        fill=fill,
        progress=progress,
    )
    return DatapathDesign(
        SearchResult(plan(program, found, family=family, clock_hz=clock_hz), chosen)
    )


def choose_folding(
    program: Program,
    *,
    folding: Folding | None,
    target_cycles: int | None,
    target_fps: float | None,
    device: str | None,
    clock_hz: float,
    fill: float | None,
    progress: Progress,
) -> Folding:
    """Return the folding that is given, searched, or balanced; see ``design``.

    Raises:
        CompileError: it does not fit the program, or the rate or device is out of reach.
        UserError: a fill without a device.
    """
    if fill is not None and device is None:
        raise UserError("--fill is a share of a --device, and none is given")
    if target_fps is None and device is None:
        return folding or chosen_folding(program, target_cycles)
    request = Request(
        folding=folding,
        target_cycles=target_cycles,
        target_fps=target_fps,
        device=device,
        clock_hz=clock_hz,
        fill=fill,
    )
    with progress.working("planning the folding") as step:
        return DATAPATH.plan(program, request, step).folding


@names_missing_parts
def search(
    model: Openable,
    *,
    device: str | None = None,
    target_fps: float | None = None,
    technology: str = "xc7",
    clock_hz: float = CLOCK_HZ,
    fill: float | None = None,
    options: Options | None = None,
    input_shape: InputShape | None = None,
) -> DatapathDesign:
    """Search the folding of the least area for a rate, or of the highest rate on a device.

    Args:
        model, device, target_fps, clock_hz, fill, options, input_shape: as for ``design``.
        technology: FPGA family whose cells are counted where no device is given.

    Raises:
        CompileError: neither a rate nor a device is given, or it is out of reach; the message says
            by how much.
    """
    program = open_model(model, options, input_shape).program
    return DatapathDesign(
        search_folding(
            program,
            device=device,
            target_fps=target_fps,
            technology=technology,
            clock_hz=clock_hz,
            fill=fill,
        )
    )
