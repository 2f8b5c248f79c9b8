"""The definition of a fault: any outcome that is neither a result nor one clear error."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2uqc.console.errors import user_message

ROOT = Path(__file__).parents[2]


class Wrong(Exception):
    """A wrong result; the message describes it."""


class Skip(Exception):
    """Nothing was tried: the mutation did not change the input, or nothing could be drawn."""


@dataclass(frozen=True)
class Fault:
    """A fault of one input.

    Attributes:
        kind: "exception", "wrong", "noise", "signal", "time" or "memory".
        place: the exception and where it was raised, which identifies the fault.
        text: description with all details.
    """

    kind: str
    place: str
    text: str


def judged(action: Callable[[], str], stderr: Path) -> tuple[str, Fault | None]:
    """Run one case.

    Args:
        action: gives a word for the table ("compiled"), or raises.
        stderr: the file to which this process's descriptor 2 is directed; it is emptied.

    Returns:
        the word ("refused" for an error that users can correct), and the fault.
    """
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    fault, word = None, "fault"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            word = action()
        except Skip:
            return "skipped", None
        except MemoryError:
            fault = Fault("memory", f"MemoryError at {_place(sys.exc_info()[2])}", _text())
        except Wrong as error:
            text = str(error)
            fault = Fault("wrong", re.sub(r"\d+", "#", text.partition("\n")[0])[:100], text)
        except Exception as error:
            message = user_message(error)
            if message is None:
                place = f"{type(error).__name__} at {_place(error.__traceback__)}"
                fault = Fault("exception", place, _text())
            else:
                word = "refused"
                fault = _of_message(message)
    if fault is None:
        fault = _of_warnings(caught)
    sys.stderr.flush()
    said = stderr.read_text(errors="replace")
    if fault is None and said:
        lines = [line for line in said.splitlines() if line.strip()]
        first = re.sub(r"\d+", "#", lines[0])[:100] if lines else ""
        fault = Fault("noise", f"stderr: {first}", said[:4000])
    return word, fault


def _of_message(message: str) -> Fault | None:
    """Return the fault of a message that is empty or far too long."""
    if not message.strip():
        return Fault("noise", "an error without a word", repr(message))
    if len(message) > 20_000:
        return Fault("noise", "an error of more than 20,000 characters", message[:4000])
    return None


def _of_warnings(caught: list[warnings.WarningMessage]) -> Fault | None:
    """Warnings of libraries; n2uqc's own are UserWarnings of its modules."""
    for warning in caught:
        own = issubclass(warning.category, UserWarning)
        if own or issubclass(warning.category, (DeprecationWarning, ResourceWarning)):
            continue
        place = f"{warning.category.__name__} at {_short(warning.filename)}:{warning.lineno}"
        return Fault("noise", place, f"{place}: {warning.message}")
    return None


def _text() -> str:
    return traceback.format_exc()[-6000:]


def _short(path: str) -> str:
    try:
        return str(Path(path).resolve().relative_to(ROOT))
    except ValueError:
        return "/".join(Path(path).parts[-2:])


def _place(trace: Any) -> str:
    """Return the last frame in the project's code, and the last frame."""
    frames = traceback.extract_tb(trace)
    if not frames:
        return "?"
    own = [f for f in frames if not _foreign(f.filename)]
    names = [f"{_short(f.filename)}:{f.name}" for f in (own[-1:] or frames[-1:])]
    return names[0]


def _foreign(path: str) -> bool:
    return "site-packages" in path or "/tests/" in path or "/lib/python" in path
