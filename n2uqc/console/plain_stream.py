"""Standard streams that escape control characters, so that no name changes the display."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from n2uqc.frontend.escape import lines


class PlainStream:
    """A text stream that escapes hidden characters except line ends and tabs.

    Attributes:
        stream: the underlying stream; rich writes escape sequences to it directly, with texts from
            `escape.markup`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        self.stream.write(lines(text))
        return len(text)

    def writelines(self, texts: Any) -> None:
        """Write several texts."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def beneath(stream: TextIO) -> TextIO:
    """Return the underlying stream, for callers that write escape sequences."""
    return stream.stream if isinstance(stream, PlainStream) else stream


@contextmanager
def plain_streams() -> Iterator[None]:
    """Replace both standard streams by a `PlainStream` during the context."""
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        setattr(sys, name, PlainStream(beneath(stream)))
    try:
        yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, stream)
