"""Errors for users: one message and an exit status, no traceback."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

from n2uqc.api.errors import missing_part
from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from .plain_stream import plain_streams

# Errors of n2uqc that a user can correct, by class name, because their modules import large
# packages.
_EXPECTED = frozenset(
    {
        "CompileError",
        "HostModelError",
        "UserError",
        "InputError",
        "StoreError",
        "IllegalOp",
        "TextError",
    }
)
_LONGEST = 15_000
"""Most characters of a message: names in files may be long, and messages may quote several."""


def guarded(function: Callable[[], int | None], *, show_traceback: bool = False) -> int:
    """Run a command and turn exceptions into a message on stderr.

    Args:
        function: the command; returns its exit status.
        show_traceback: also print the traceback (for developers).

    Returns:
        The exit status: that of the command, 2 for errors that the user can correct, 3 for a fault
            of n2uqc, 130 for an interrupt.
    """
    _make_streams_usable()
    status = 0
    with plain_streams(), warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warning
        try:
            status = int(function() or 0)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _say("interrupted")
            return 130
        except BrokenPipeError:  # the reader has closed the pipe, as `| head` does: no error
            _leave(sys.stdout)
        except SystemExit as leaving:
            if not isinstance(leaving.__context__, BrokenPipeError):  # rich raises it then
                raise
            _leave(sys.stdout)
        except Exception as error:
            if show_traceback:
                traceback.print_exc()
            if isinstance(error, OSError) and error.filename is None:  # writing to stdout
                _leave(sys.stdout)
            message = user_message(error)
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


def _make_streams_usable() -> None:
    """Discard output to closed streams, and escape characters that a stream cannot encode."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the process ends
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(stream: TextIO) -> None:
    """Close a stream whose reader is gone, so that buffered output does not fail again at exit."""
    with suppress(OSError):  # a replaced stream has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def user_message(error: Exception) -> str | None:
    """Return the message of an error that the user can correct; None for any other."""
    if isinstance(error, MemoryError):
        return f"not enough memory on this machine{f': {error}' if str(error) else ''}"
    if isinstance(error, RecursionError):
        return "something in the input is nested too deeply to be read; flatten it"
    if isinstance(error, ModuleNotFoundError) and (missing := missing_part(error)) is not None:
        return str(missing)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{plain(error.filename)}: {error.strerror}"
    ours = any(
        kind.__name__ in _EXPECTED and kind.__module__.startswith("n2uqc.")
        for kind in type(error).__mro__
    )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = tempfile.gettempdir()
        return (
            f"{error.strerror}: that of standard output, or {place} (TMPDIR), where files are made"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if ours or isinstance(error, OSError):
        return cut(str(error), _LONGEST) or type(error).__name__
    return None


def _say(message: str) -> None:
    try:
        print(f"n2uqc: {message}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _leave(sys.stderr)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")
