"""Columns of the tables that the timing kernel works on."""

from __future__ import annotations

from enum import IntEnum, auto


class Kind(IntEnum):
    """What a state machine is."""

    BEAT = 0
    FILL = 1
    WORK = 2


class _Columns(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Rule(_Columns):
    """Columns of the table of state machines (what does not change)."""

    KIND = auto()
    FIRINGS = auto()  # of an image
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
    PACE = auto()  # cycles over which an image's firings are spread at least; 0 for none
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
    WRITTEN = auto()  # first of its words in ``written``
    RELEASED = auto()  # first of its output rows in ``released``
    PARTNER = auto()  # the other of writer and reader


class State(_Columns):
    """Columns of the state machines' state; all zero at first but TIME, -1."""

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
    """What is noted for each state machine and image."""

    FIRST = auto()
    LAST = auto()
    STARVED = auto()  # cycles waited for tokens, beyond the one after the last firing
    BLOCKED = auto()  # cycles waited for places, beyond that
