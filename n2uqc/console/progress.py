"""Output on a terminal: progress on stderr, wide tables on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from n2uqc.api.progress import Progress
from n2uqc.frontend.escape import markup

from .plain_stream import beneath

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

WIDTH = 160  # columns of tables that are not printed on a terminal


def wide_console() -> Console:
    """Return the console for tables: as wide as the terminal, or ``WIDTH`` without one."""
    return _console(sys.stdout, width=None if sys.stdout.isatty() else WIDTH, highlight=False)


def _console(stream: TextIO, **options: Any) -> Console:
    """Return a console on a standard stream; only terminals get escape sequences."""
    from rich.console import Console

    console = Console(file=beneath(stream), emoji=False, **options)
    return console if console.is_terminal else Console(file=stream, emoji=False, **options)


_showing: list[None] = []
"""Not empty while progress is displayed: rich can display only one thing at a time."""


@contextmanager
def _alone() -> Iterator[None]:
    _showing.append(None)
    try:
        yield
    finally:
        _showing.pop()


@contextmanager
def silence(*, output: bool) -> Iterator[None]:
    """Show no progress during the context, and discard standard output if ``output``."""
    with (
        _alone(),
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere) if output else nullcontext(),
    ):
        yield


@contextmanager
def _bar(*columns: ProgressColumn, transient: bool = False) -> Iterator[Bar]:
    """Show bars of these columns on a terminal, unless something else is shown."""
    from rich.progress import Progress as Bar

    quiet = not sys.stderr.isatty() or bool(_showing)
    console = _console(sys.stderr)
    with _alone(), Bar(*columns, console=console, transient=transient, disable=quiet) as bar:
        yield bar


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Show a bar over `total` steps; yield the function that advances it."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with _bar(*columns, transient=True) as bar:
        task = bar.add_task(markup(what), total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def reporting(total: int, what: str, done: int = 0) -> Iterator[Callable[[str], None]]:
    """Show a bar over `total` steps, of which some are `done`; yield what advances it by one and
    writes a word behind it.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with _bar(*columns) as bar:
        task = bar.add_task(markup(what), total=total, completed=done, said="")
        yield lambda said: bar.update(task, advance=1, said=markup(said))


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner during work of unknown length; yield what names the current step."""
    console = _console(sys.stderr)
    if not console.is_terminal or _showing:
        yield lambda step: None
        return
    with _alone(), console.status(markup(what)) as status:
        yield lambda step: status.update(markup(f"{what}: {step}"))


class Terminal(Progress):
    """A listener that shows bars and spinners on standard error."""

    def working(self, what: str) -> AbstractContextManager[Callable[[str], None]]:
        return working(what)

    def counting(self, total: int, what: str) -> AbstractContextManager[Callable[[int], None]]:
        return progress(total, what)

    def reporting(
        self, total: int, what: str, done: int = 0
    ) -> AbstractContextManager[Callable[[str], None]]:
        return reporting(total, what, done)


TERMINAL = Terminal()
