"""Standard streams on which text stays text: no name moves the cursor or turns the writing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from n2uqc.frontend.escape import lines


class PlainStream:
    """A text stream that shows hidden characters as their codes, but for ends of lines and tabs.

    Attributes:
        stream: where it goes; rich writes there, which colors and moves by escape sequences, of
            texts that `escape.markup` made.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write; the length of the text given, as streams answer."""
        self.stream.write(lines(text))
        return len(text)

    def writelines(self, texts: Any) -> None:
        """Write one after the other."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def beneath(stream: TextIO) -> TextIO:
    """The stream itself, for what writes escape sequences of its own."""
    return stream.stream if isinstance(stream, PlainStream) else stream


@contextmanager
def plain_streams() -> Iterator[None]:
    """Put both standard streams behind a `PlainStream` for a while."""
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        setattr(sys, name, PlainStream(beneath(stream)))
    try:
        yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, stream)
