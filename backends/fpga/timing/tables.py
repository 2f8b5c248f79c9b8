"""Columns of the tables that the timing kernel works on."""

from __future__ import annotations

from enum import IntEnum, auto


class MachineKind(IntEnum):
    """The types of state machines."""

    BEAT = 0
    FILL = 1
    WORK = 2


class _Columns(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Rule(_Columns):
    """Columns of the table of state machines: constant facts."""

    KIND = auto()
    FIRINGS = auto()  # per image
    LATENCY = auto()
    TAKE_PERIOD = auto()
    TAKE_LENGTH = auto()
    TURNS = auto()  # 1: two inputs take turns
    GIVE_PERIOD = auto()
    GIVE_LENGTH = auto()
    INPUTS = auto()  # first of its input edges in the wiring
    INPUT_COUNT = auto()
    OUTPUTS = auto()
    OUTPUT_COUNT = auto()
    PACE = auto()  # least cycles over which the firings of an image are spread; 0 for none
    # a line buffer's writer and reader
    WORDS = auto()
    ARRIVING_WIDTH = auto()
    ARRIVING_HEIGHT = auto()
    DROP_ROWS = auto()
    DROP_COLUMNS = auto()
    KEPT_HEIGHT = auto()
    KEPT_WIDTH = auto()
    CAPACITY = auto()  # rows
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    REACH_HEIGHT = auto()
    REACH_WIDTH = auto()
    STRIDE_HEIGHT = auto()
    STRIDE_WIDTH = auto()
    TOP = auto()
    LEFT = auto()
    RESULTS = auto()
    RESULT_CYCLES = auto()
    WRITTEN = auto()  # index of its first word in ``written``
    RELEASED = auto()  # index of its first output row in ``released``
    PARTNER = auto()  # the reader of a writer, and the writer of a reader


class State(_Columns):
    """Columns of the state of state machines; all are initially 0, except TIME, which is -1."""

    TIME = auto()  # of the last firing
    FIRED = auto()
    IMAGE = auto()
    IN_IMAGE = auto()  # firings of the image
    TAKE_PHASE = auto()
    GIVE_PHASE = auto()
    WORD = auto()  # writer: position in the arriving image; reader: result of the window
    X = auto()
    Y = auto()
    DONE = auto()  # words written, or output rows released


class Stat(_Columns):
    """Columns of the statistics by state machine and image."""

    FIRST = auto()
    LAST = auto()
    STARVED = auto()  # cycles waited for tokens, after the cycle that follows the last firing
    BLOCKED = auto()  # further cycles waited for places
