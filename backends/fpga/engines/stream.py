"""Stream units between engines: source, sink, fork, width converter, repeater.

They change no value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .engine import Engine
from .token_timing import Beat


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plumbing(Engine):
    """A unit that passes a stream on.

    Attributes:
        tensor: name of the tensor in the stream.
        lanes: elements of a token.
    """

    op: None = None
    tensor: str
    lanes: int

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.tensor}"

    @property
    def in_lanes(self) -> int:
        return self.lanes

    @property
    def out_lanes(self) -> int:
        return self.lanes

    @property
    def timing(self) -> Beat:
        return Beat(self.output.size // self.lanes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source(_Plumbing):
    """Gives the image's tokens, one per cycle."""

    kind: ClassVar[str] = "source"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sink(_Plumbing):
    """Takes the result's tokens, one per cycle."""

    kind: ClassVar[str] = "sink"


@dataclass(frozen=True, kw_only=True, eq=False)
class Fork(_Plumbing):
    """Gives every token to all readers of a tensor at once."""

    kind: ClassVar[str] = "fork"


@dataclass(frozen=True, kw_only=True, eq=False)
class Converter(_Plumbing):
    """Joins narrow tokens to wide ones, or splits wide ones; one width divides the other.

    Attributes:
        lanes: elements of an input token.
        given: elements of an output token.
    """

    kind: ClassVar[str] = "width"

    given: int

    @property
    def out_lanes(self) -> int:
        return self.given

    @property
    def timing(self) -> Beat:
        if self.given > self.lanes:
            return Beat(self.output.size // self.lanes, give=(self.given // self.lanes, 1))
        return Beat(self.output.size // self.given, take=(self.lanes // self.given, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Repeater(_Plumbing):
    """Gives each run of tokens several times: an operand that is spread over an axis of a map.

    It keeps a run in a memory while it passes it on, and repeats it from there.

    Attributes:
        length: tokens of a run.
        times: how often it is given.
        given: elements of an output token; more than ``lanes`` where the one element of a token
            is that of all lanes.
        output: type of the tensor that it gives.
    """

    kind: ClassVar[str] = "repeat"

    length: int
    times: int
    given: int

    @property
    def out_lanes(self) -> int:
        return self.given

    @property
    def timing(self) -> Beat:
        return Beat(self.output.size // self.given, take=(self.length * self.times, self.length))
