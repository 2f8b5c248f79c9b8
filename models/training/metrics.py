"""The curve of a training: a record an epoch, as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from n2uqc.frontend.write import write_atomically

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch gave.

    Attributes:
        phase: "float" or "low-bit".
        epoch: its number in the phase, from 1 on.
        loss: mean over the training batches.
        rate: learning rate of the last batch.
        validation_loss: cross entropy with the labels.
        validation_accuracy: 0 to 1.
    """

    phase: str
    epoch: int
    loss: float
    rate: float
    validation_loss: float
    validation_accuracy: float


def write_curve(path: Path, records: Sequence[EpochRecord]) -> None:
    """Write all records, a line each, completely or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    lines = (json.dumps(asdict(record)) + "\n" for record in records)
    write_atomically(path, "".join(lines).encode())


def curve(values: Sequence[float], width: int = 24) -> str:
    """Draw values of 0 to 1 as bars, the latest last; the lowest is the least of them."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    shown = values[::-1][::step][::-1]
    low, high = min(shown), max(shown)
    top = len(_BARS) - 1
    return "".join(
        _BARS[round((v - low) / (high - low) * top) if high > low else top] for v in shown
    )


class BoardLog:
    """A log for TensorBoard, in a folder; one that is not `wanted` writes nothing.

    Args:
        folder: where it goes.
        wanted: whether it is written.
        begun: epochs that were there before; what came after them is taken back.

    Raises:
        ModuleNotFoundError: TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, wanted: bool, begun: int) -> None:
        self.writer: SummaryWriter | None = None
        if wanted:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder), purge_step=begun + 1)

    def __enter__(self) -> BoardLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.writer is not None:
            self.writer.close()

    def add(self, record: EpochRecord, step: int) -> None:
        """Add a record, whose place on the common axis of both phases is `step`."""
        if self.writer is not None:
            for name in ("loss", "rate", "validation_loss", "validation_accuracy"):
                self.writer.add_scalar(f"{record.phase}/{name}", getattr(record, name), step)
