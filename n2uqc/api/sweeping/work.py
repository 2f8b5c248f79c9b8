"""The work of a point, in whatever process it is done."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.bounded_file import read_bounded
from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from ..errors import UserError, missing_part
from ..torch_work import torch_threads
from .identity import code_version
from .plan import ACCURACY, COST, PROCESSOR, TRAIN, SweepPoint

if TYPE_CHECKING:
    from n2uqc.models.training.recipe import Recipe
    from n2uqc.passes import Options

_LONGEST = 2000  # characters of a message that is kept
_MHZ = 1e6
_ALONE = threading.Lock()
"""Training sets what is global in a process (generators, threads of torch), so that the threads of
a worker take turns."""


@dataclass(frozen=True)
class PointOutcome:
    """What became of a point.

    Attributes:
        result: its figures, as JSON values; None if it failed.
        message: why it failed.
        network: the ONNX file of a training.
    """

    result: dict[str, Any] | None
    message: str | None = None
    network: bytes | None = None


def compute(
    point: SweepPoint,
    code: str,
    network: bytes | None = None,
    seen: tuple[float, float] | None = None,
) -> PointOutcome:
    """Compute a point; what it raises becomes its message.

    Args:
        point: the point.
        code: version that the sweep was planned by.
        network: the ONNX file that it takes, where it was trained.
        seen: range of inputs in that training.
    """
    try:
        if code_version() != code:
            raise UserError(
                f"this worker has other code ({code_version()}) than the sweep ({code}); install "
                "the same there"
            )
        with _ALONE:
            if point.kind == TRAIN:
                return _train(point)
            with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
                path = point.model or Path(folder, "network.onnx")
                if network is not None:
                    path.write_bytes(network)
                work = _WORK[point.kind]
                return PointOutcome(work(point, path, _options(point, seen)))
    except Exception as error:  # a point of a sweep may fail in any way, and the others go on
        return PointOutcome(None, said(error))


def said(error: BaseException) -> str:
    """Return the message of a failed point."""
    if isinstance(error, ModuleNotFoundError) and (missing := missing_part(error)) is not None:
        error = missing
    kind = type(error)
    own = kind.__module__.startswith("n2uqc.")
    text = str(error) if own else f"{kind.__name__}: {error}"
    return cut(plain(" ".join(text.split())), _LONGEST)


def _options(point: SweepPoint, seen: tuple[float, float] | None) -> Options:
    """Return the widths of a point's program, and the range that its training saw."""
    from n2uqc.passes import Options

    from ..torch_work import program_range

    chosen = dict(point.settings["program"])
    ends = chosen.pop("input_range", None)
    if ends is None and seen is not None:
        ends = program_range(seen)
    if ends is not None:
        chosen["input_range"] = (float(ends[0]), float(ends[1]))
    return Options.preset(chosen.pop("precision"), **chosen)


def _train(point: SweepPoint) -> PointOutcome:
    from n2uqc.models.training.datasets import length

    from ..hashes import sha256
    from ..train import train_by

    assert point.recipe is not None and point.folder is not None
    recipe = replace(point.recipe, output=point.folder)
    with torch_threads(point.settings["threads"]):
        done = train_by(recipe, point.settings["device"], resume=True)
    content = done.onnx.read_bytes()
    validation = {record.phase: record.validation_accuracy for record in done.records}
    samples = length(done.data.final)
    result = {
        "sha256": sha256(content),
        "measured_on": done.data.final_name,
        "samples": samples,
        "float_right": done.float_right,
        "low_bit_right": done.low_bit_right,
        "validation_float": validation.get("float"),
        "validation_low_bit": validation["low-bit"],
        "input_range": list(done.input_range),
    }
    return PointOutcome(result, network=content)


def _accuracy(point: SweepPoint, network: Path, options: Options) -> dict[str, Any]:
    import numpy as np

    from ..evaluate import evaluate

    with tempfile.TemporaryDirectory(prefix="n2uqc-") as folder:
        if point.recipe is not None:
            images, labels = _samples(point.recipe, Path(folder))
            x, y = np.load(images, mmap_mode="r"), np.load(labels)
        else:
            x, y = _arrays(point.settings)
        found = evaluate(
            network,
            x,
            y,
            executor=point.settings["executor"],
            options=options,
            source=plain(point.settings["data"] or "the recipe's samples"),
        )
    values = found.to_json()
    del values["confusion"]
    return values


def _samples(recipe: Recipe, folder: Path) -> tuple[Path, Path]:
    """Write the samples of a recipe that accuracy is measured on."""
    from n2uqc.models.training.datasets import open_data
    from n2uqc.models.training.session import write_samples

    data = open_data(recipe)
    return write_samples(recipe, data.final, data.shape, folder)


def _arrays(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    import numpy as np

    with np.load(settings["data"], allow_pickle=False) as arrays:
        names = settings["images"], settings["labels"]
        if missing := [name for name in names if name not in arrays]:
            raise UserError(
                f"{plain(settings['data'])}: no array {missing[0]}; there are {', '.join(arrays)}"
            )
        return arrays[names[0]], arrays[names[1]]


def _cost(point: SweepPoint, network: Path, options: Options) -> dict[str, Any]:
    from n2uqc.backends.fpga import Folding
    from n2uqc.backends.fpga.design import CLOCK_HZ

    from ..cost import cost
    from ..model import open_model

    chosen = {k: value for k, value in point.settings.items() if k != "program"}
    opened = open_model(network, options)
    if (file := chosen.pop("folding", None)) is not None:
        text = read_bounded(file).decode("utf-8")
        chosen["folding"] = Folding.from_json(text, opened.program)
    clock = chosen.pop("clock", CLOCK_HZ / _MHZ)
    found = cost(opened, clock_hz=clock * _MHZ, **chosen)
    comparison = found.networks[0].comparison
    cycles = comparison.own["cycles"]
    return {
        **comparison.own,
        "images_per_second": round(clock * _MHZ / cycles, 6),
        "energy_nj": round(comparison.totals[comparison.itself].energy.total / 1000, 3),
        "technology": comparison.technology.id,
        "folding": {
            name: [fold.pe, fold.simd] for name, fold in comparison.design.folding.engines.items()
        },
    }


def _processor(point: SweepPoint, network: Path, options: Options) -> dict[str, Any]:
    from ..effort import measure_effort
    from ..model import open_model
    from ..progress import SILENT

    program = open_model(network, options).program
    return asdict(measure_effort(program, point.settings["target"], SILENT))


_WORK: dict[str, Callable[[SweepPoint, Path, Any], dict[str, Any]]] = {
    ACCURACY: _accuracy,
    COST: _cost,
    PROCESSOR: _processor,
}
