"""``simulate`` and ``run``: the outputs of a batch, by any executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2uqc.backends import Artifact, find_target, open_artifact
from n2uqc.backends.fpga import Folding, Simulation, Simulator
from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.sheet import Sheet
from n2uqc.passes import Options
from n2uqc.passes.program import InputError, Program, quantize_inputs, real_outputs, trace
from n2uqc.passes.program import run as run_program
from n2uqc.passes.program.interface import only
from n2uqc.passes.program.named import Batch, Named, samples

from .cycles import cycles_to_json, write_cycles
from .errors import names_missing_parts
from .model import Openable, open_model
from .progress import SILENT, Progress
from .result import Result
from .streamed import cores, run_all_pieces

CLOCK_HZ = 100e6
"""The clock unless told otherwise: an assumption, no promise."""
_SAMPLES, _VALUES = 3, 6  # outputs shown: of the first samples the first values
_FIRST = 10  # values of the first sample in JSON


@dataclass(frozen=True, repr=False)
class RunResult(Result):
    """The outputs of a batch.

    Attributes:
        program: the program that was run.
        executor: what ran it.
        integers: the program's outputs by name, int64 (N, H, W, C).
        as_integers: whether ``outputs`` are these.
        tensors: every named tensor, int64 (N, H, W, C), if they were asked for.
        cycles: of the datapath; None for other executors.
        clock_hz: clock that its rate is stated for.
    """

    program: Program
    executor: str
    integers: Mapping[str, NDArray[np.int64]]
    as_integers: bool = False
    tensors: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    cycles: Simulation | None = None
    clock_hz: float = CLOCK_HZ

    @cached_property
    def outputs(self) -> dict[str, NDArray[Any]]:
        """The network's outputs by name, float64 (N, ...) in its own scale and order of axes, or
        the program's integers if these were asked for.

        Raises:
            InputError: an output has no scale.
        """
        return (
            dict(self.integers) if self.as_integers else real_outputs(self.program, self.integers)
        )

    @property
    def output(self) -> NDArray[Any]:
        """The only output.

        Raises:
            CompileError: there are several.
            InputError: it has no scale.
        """
        return only(list(self.outputs.values()), list(self.outputs), "outputs")

    @property
    def samples(self) -> int:
        """Number of samples."""
        return samples(self.integers)

    def _shown(self) -> Mapping[str, NDArray[Any]]:
        """Outputs; integers where a scale is lacking."""
        try:
            return self.outputs
        except InputError:
            return self.integers

    def to_json(self) -> dict[str, Any]:
        return {
            "executor": self.executor,
            "samples": self.samples,
            "outputs": [
                {
                    "name": name,
                    "shape": list(y.shape[1:]),
                    "dtype": str(y.dtype),
                    "first": y[:1].ravel()[:_FIRST].tolist(),
                }
                for name, y in self._shown().items()
            ],
            "cycles": None if self.cycles is None else cycles_to_json(self.cycles, self.clock_hz),
        }

    def summary(self) -> str:
        shapes = ", ".join(f"{name} {y.shape}" for name, y in self._shown().items())
        return f"{self.samples} samples by {self.executor}, {shapes}"

    def write(self, sheet: Sheet) -> None:
        self.write_cycles(sheet)
        for name, y in self._shown().items():
            count = min(self.samples, _SAMPLES)
            sheet.line(f"output {name}, {y.dtype} {y.shape}, the first {count} samples:")
            for row in y[:count]:
                values = row.ravel()
                text = " ".join(f"{value:.5g}" for value in values[:_VALUES])
                sheet.line(f"  {text}{' …' if values.size > _VALUES else ''}", 4)

    def write_cycles(self, sheet: Sheet) -> None:
        """Write the datapath's cycles, if there are any."""
        if self.cycles is not None:
            write_cycles(sheet, self.cycles, self.clock_hz)


@names_missing_parts
def simulate(
    model: Openable,
    x: Batch,
    *,
    datapath: bool = False,
    integers: bool = False,
    dump: bool = False,
    folding: Folding | None = None,
    clock_hz: float = CLOCK_HZ,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    progress: Progress = SILENT,
) -> RunResult:
    """Run a program on images, by the interpreter or through the simulated datapath.

    Args:
        model: a program, or a network or saved program (path, bytes, ``onnx.ModelProto``,
            ``onnx_ir.Model``).
        x: images as the network takes them, (N, C, H, W), float32 or float64, uint8 where it was
            compiled for pixels; by name where there are several inputs.
        datapath: simulate the hardware pipeline bit by bit, and count its cycles (needs TVM).
        integers: give the program's integers instead of real numbers.
        dump: keep every named tensor.
        folding, clock_hz: of the datapath; a balanced folding, and 100 MHz.
        options, input_shape: as for ``load``, for networks.
        progress: what is told of the work.

    Raises:
        CompileError, StoreError: the model cannot be compiled or read, or the folding does not fit.
        InputError: the images do not fit.
    """
    program = open_model(model, options, input_shape).program
    if datapath:
        taken = quantize_inputs(program, x)
        return _through_the_datapath(program, taken, folding, clock_hz, integers, dump, progress)
    tensors: Named = {}
    if dump:
        tensors = trace(program, quantize_inputs(program, x))
        ports = program.interface.outputs
        y = {p.name: tensors[name] for p, name in zip(ports, program.outputs, strict=True)}
    else:
        y = run_all_pieces(
            lambda piece: run_program(program, piece), program, x, "interpreter", progress
        )
    return RunResult(program, "interpreter", y, integers, tensors)


def _through_the_datapath(
    program: Program,
    x: Named,
    folding: Folding | None,
    clock_hz: float,
    integers: bool,
    dump: bool,
    progress: Progress,
) -> RunResult:
    from n2uqc.backends.fpga.fitting import chosen_folding

    with progress.working("compiling the datapath's simulation"):
        simulator = Simulator(program, folding or chosen_folding(program, None))
    with progress.counting(samples(x), "datapath") as advance:
        found = simulator.run(x, dump=dump, progress=advance)
    with progress.working("counting cycles"):
        found.timing  # noqa: B018 - computed on first access, which may take seconds
    return RunResult(program, "datapath", found.outputs, integers, found.tensors, found, clock_hz)


@names_missing_parts
def run(
    artifact: Artifact | Path | str,
    x: Batch,
    *,
    integers: bool = False,
    progress: Progress = SILENT,
) -> RunResult:
    """Run what was compiled on images: on this machine, or emulated where the machine differs.

    Images are read as they are needed, and run on all cores.

    Args:
        artifact: what ``compile`` returned, or the folder where it was saved.
        x: images as the network takes them; see ``simulate``.
        integers: give the program's integers instead of real numbers.
        progress: what is told of the work.

    Raises:
        InputError: the images do not fit.
        CompileError: the artifact is damaged, or a tool to run it is missing or failed.
    """
    opened = artifact if isinstance(artifact, Artifact) else open_artifact(artifact)
    program = opened.program
    workers = cores() if opened.concurrent else 1
    y = run_all_pieces(opened.runner(), program, x, "artifact", progress, workers=workers)
    name = find_target(str(opened.facts["target"])).executor
    return RunResult(program, name, y, integers)
