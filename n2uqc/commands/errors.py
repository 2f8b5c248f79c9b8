"""Errors as users see them: one message and an exit status, no traceback."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

# Errors of n2uqc that a user can mend, by name: their modules are heavy to import.
_EXPECTED = frozenset(
    {"CompileError", "UserError", "InputError", "StoreError", "IllegalOp", "TextError"}
)
_EXTRAS = {"amaranth": "rtl", "matplotlib": "report", "onnxruntime": "demo", "sklearn": "demo",
           "torch": "train"}


def guarded(function: Callable[[], int | None], *, show_traceback: bool = False) -> int:
    """Run a command and turn what it raises into a message on stderr.

    Args:
        function: the command; returns its exit status.
        show_traceback: also print where an error was raised (for developers).

    Returns:
        the exit status: the command's own, 2 for what the user can mend, 3 for a fault of n2uqc,
        130 for an interrupt.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warning
        try:
            status = int(function() or 0)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _say("interrupted")
            return 130
        except BrokenPipeError:  # the reader of our output left, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:
            if show_traceback:
                traceback.print_exc()
            message = _mendable(error)
            if message is not None:
                _say(f"error: {message}")
                return 2
            _say(
                f"internal error: {type(error).__name__}: {error}\n"
                "This is a fault of n2uqc, not of your input. The same command with --traceback "
                "shows where; please report it with that output."
            )
            return 3
    return status


def _mendable(error: Exception) -> str | None:
    """The message of an error that the user can mend, else None."""
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return f"{error.name} is not installed: pip install 'n2uqc[{_EXTRAS[error.name]}]'"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    ours = any(
        kind.__name__ in _EXPECTED and kind.__module__.startswith("n2uqc.")
        for kind in type(error).__mro__
    )
    if ours or isinstance(error, OSError):
        return str(error) or type(error).__name__
    return None


def _say(message: str) -> None:
    print(f"n2uqc: {message}", file=sys.stderr)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")
