"""The timing recurrence of DATAPATH.md as a TIR kernel over tables.

State machines fire in turns, each as long as its tokens and places are known.  Firing times are a
least fixed point of max and plus, so the order of the turns does not matter (a Kahn network), and
a turn without any firing before the end is a deadlock.

Importing this module imports TVM only where a kernel is built.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, auto
from typing import Any


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


def build_advance() -> Any:
    """TIR: fires all state machines until nothing more can fire.

    Parameters: machines, images; rules (machines, Rule), wiring, depth and offset by edge; then
    what is written: state (machines, State), given and taken counts by edge, stamps of giving and
    taking by token (``offset`` of its edge on), written by word, released by output row, stats
    (machines, images, Stat).
    """
    from tvm import tirx

    from .lanes import Else, If, Kernel, Register, Then, While, serial, store

    long = "int64"

    def when(condition: Any, body: Callable[[], None]) -> None:
        with If(condition), Then():
            body()

    with Kernel("advance") as kernel:
        machines, images = kernel.scalars("machines", "images", dtype=long)
        names = ("rules", "wiring", "depth", "offset", "state", "given", "taken", "give_stamp",
                 "take_stamp", "written", "released", "stats")
        table = {name: kernel.array(name, long) for name in names}
        wiring, given, taken = table["wiring"], table["given"], table["taken"]
        rules, written, released = table["rules"], table["written"], table["released"]
        progress, ready, place, can, time = (Register(long, 1, k) for k in (1, 0, 0, 0, 0))
        row, need = Register(long, 1, 0), Register(long, 1, 0)
        with While(progress.value > 0):
            progress.set(0)
            with serial(tirx.const(0, long), machines) as m:

                def rule(column: Rule, m: Any = m) -> Any:
                    return rules[m * len(Rule) + int(column)]

                def get(column: State, of: Any = m) -> Any:
                    return table["state"][of * len(State) + int(column)]

                def put(column: State, value: Any, m: Any = m) -> None:
                    store(table["state"], m * len(State) + int(column), value)

                def ask_inputs() -> None:
                    """All of them hold a token?  When is it there to take?"""
                    with serial(rule(Rule.INPUTS), rule(Rule.INPUTS) + rule(Rule.INPUT_COUNT)) as k:
                        edge = wiring[k]
                        with If(taken[edge] >= given[edge]):
                            with Then():
                                can.set(0)
                            with Else():
                                stamp = table["give_stamp"][table["offset"][edge] + taken[edge]]
                                ready.set(tirx.max(ready.value, stamp + 1))

                def ask_outputs() -> None:
                    """All of them have a free place?  Since when?"""
                    last = rule(Rule.OUTPUTS) + rule(Rule.OUTPUT_COUNT)
                    with serial(rule(Rule.OUTPUTS), last) as k:
                        edge = wiring[k]
                        before = given[edge] - table["depth"][edge]

                        def full(edge: Any = edge, before: Any = before) -> None:
                            with If(before >= taken[edge]):
                                with Then():
                                    can.set(0)
                                with Else():
                                    stamp = table["take_stamp"][table["offset"][edge] + before]
                                    place.set(tirx.max(place.value, stamp + 1))

                        when(before >= 0, full)

                def take() -> None:
                    with serial(rule(Rule.INPUTS), rule(Rule.INPUTS) + rule(Rule.INPUT_COUNT)) as k:
                        edge = wiring[k]
                        store(table["take_stamp"], table["offset"][edge] + taken[edge], time.value)
                        store(taken, edge, taken[edge] + 1)

                def give() -> None:
                    last = rule(Rule.OUTPUTS) + rule(Rule.OUTPUT_COUNT)
                    with serial(rule(Rule.OUTPUTS), last) as k:
                        edge = wiring[k]
                        stamp = time.value + rule(Rule.LATENCY)
                        store(table["give_stamp"], table["offset"][edge] + given[edge], stamp)
                        store(given, edge, given[edge] + 1)

                def fire(work: Any, per_image: Any, first_of_image: Any) -> None:
                    """``work`` cycles, the last of them when the result has its place."""
                    base = get(State.TIME) + 1
                    start = Register(long, 1, tirx.max(base, ready.value))
                    time.set(tirx.max(start.value + work - 1, place.value))
                    stat = (m * images + get(State.IMAGE)) * len(Stat)
                    stats = table["stats"]

                    def note(column: Stat, value: Any) -> None:
                        store(stats, stat + int(column), value)

                    when(first_of_image, lambda: note(Stat.FIRST, start.value))
                    note(Stat.LAST, time.value)

                    def stalls() -> None:
                        waited = start.value - base
                        note(Stat.STARVED, stats[stat + int(Stat.STARVED)] + waited)

                    when(get(State.FIRED) > 0, stalls)
                    held = time.value - (start.value + work - 1)
                    note(Stat.BLOCKED, stats[stat + int(Stat.BLOCKED)] + held)
                    put(State.TIME, time.value)
                    put(State.FIRED, get(State.FIRED) + 1)
                    put(State.IN_IMAGE, get(State.IN_IMAGE) + 1)

                    def next_image() -> None:
                        put(State.IN_IMAGE, 0)
                        put(State.IMAGE, get(State.IMAGE) + 1)

                    when(get(State.IN_IMAGE) >= per_image, next_image)
                    progress.set(1)

                def begin() -> None:
                    ready.set(0)
                    place.set(0)

                def advance(column: State, period: Any) -> None:
                    put(column, get(column) + 1)
                    when(get(column) >= period, lambda: put(column, 0))

                def beat() -> None:
                    begin()
                    takes = get(State.TAKE_PHASE) < rule(Rule.TAKE_LENGTH)
                    gives = get(State.GIVE_PHASE) >= rule(Rule.GIVE_PERIOD) - rule(Rule.GIVE_LENGTH)
                    when(takes, ask_inputs)
                    when(gives, ask_outputs)

                    def paced() -> None:
                        total = get(State.FIRED) * rule(Rule.PACE)
                        due = tirx.floordiv(total, rule(Rule.FIRINGS))
                        ready.set(tirx.max(ready.value, due))

                    when(rule(Rule.PACE) > 0, paced)

                    def go() -> None:
                        first = get(State.IN_IMAGE) == 0
                        fire(tirx.const(1, long), rule(Rule.FIRINGS), first)
                        when(takes, take)
                        when(gives, give)
                        advance(State.TAKE_PHASE, rule(Rule.TAKE_PERIOD))
                        advance(State.GIVE_PHASE, rule(Rule.GIVE_PERIOD))

                    when(can.value > 0, go)

                def fill() -> None:
                    begin()
                    ask_inputs()
                    kept = tirx.And(
                        tirx.floormod(get(State.Y), rule(Rule.DROP_ROWS)) == 0,
                        tirx.floormod(get(State.X), rule(Rule.DROP_COLUMNS)) == 0,
                    )
                    width = rule(Rule.KEPT_WIDTH) * rule(Rule.WORDS)

                    def ask_row() -> None:
                        """The first word of a row needs the row whose place it takes released."""
                        old = tirx.floordiv(get(State.DONE), width) - rule(Rule.CAPACITY)

                        def occupied() -> None:
                            height = rule(Rule.KEPT_HEIGHT)
                            y = tirx.floormod(old, height) + rule(Rule.TOP)
                            last_reader = tirx.min(
                                tirx.floordiv(y, rule(Rule.STRIDE_HEIGHT)),
                                rule(Rule.OUT_HEIGHT) - 1,
                            )
                            image = tirx.floordiv(old, height)
                            row.set(image * rule(Rule.OUT_HEIGHT) + last_reader)
                            with If(row.value >= get(State.DONE, rule(Rule.PARTNER))):
                                with Then():
                                    can.set(0)
                                with Else():
                                    stamp = released[rule(Rule.RELEASED) + row.value]
                                    place.set(tirx.max(place.value, stamp + 1))

                        when(old >= 0, occupied)

                    starts = tirx.floormod(get(State.DONE), width) == 0
                    when(tirx.And(kept, starts), ask_row)

                    def go() -> None:
                        fire(tirx.const(1, long), rule(Rule.FIRINGS), get(State.IN_IMAGE) == 0)
                        take()

                        def write() -> None:
                            store(written, rule(Rule.WRITTEN) + get(State.DONE), time.value)
                            put(State.DONE, get(State.DONE) + 1)

                        when(kept, write)
                        advance(State.WORD, rule(Rule.WORDS))

                        def next_row() -> None:
                            put(State.X, 0)
                            advance(State.Y, rule(Rule.ARRIVING_HEIGHT))

                        def next_pixel() -> None:
                            put(State.X, get(State.X) + 1)
                            when(get(State.X) >= rule(Rule.ARRIVING_WIDTH), next_row)

                        when(get(State.WORD) == 0, next_pixel)

                    when(can.value > 0, go)

                def work() -> None:
                    begin()
                    ask_outputs()

                    def ask_window() -> None:
                        """A window's first result needs its last pixel inside the map written."""

                        def last(at: State, step: Rule, pad: Rule, reach: Rule, size: Rule) -> Any:
                            end = get(at) * rule(step) - rule(pad) + rule(reach) - 1
                            return tirx.min(end, rule(size) - 1)

                        y = last(State.Y, Rule.STRIDE_HEIGHT, Rule.TOP, Rule.REACH_HEIGHT,
                                 Rule.KEPT_HEIGHT)
                        x = last(State.X, Rule.STRIDE_WIDTH, Rule.LEFT, Rule.REACH_WIDTH,
                                 Rule.KEPT_WIDTH)

                        def inside() -> None:
                            width = rule(Rule.KEPT_WIDTH)
                            pixel = (get(State.IMAGE) * rule(Rule.KEPT_HEIGHT) + y) * width + x
                            need.set((pixel + 1) * rule(Rule.WORDS) - 1)
                            with If(need.value >= get(State.DONE, rule(Rule.PARTNER))):
                                with Then():
                                    can.set(0)
                                with Else():
                                    stamp = written[rule(Rule.WRITTEN) + need.value]
                                    ready.set(tirx.max(ready.value, stamp + 1))

                        when(tirx.And(y >= 0, x >= 0), inside)

                    when(get(State.WORD) == 0, ask_window)

                    def go() -> None:
                        fire(rule(Rule.RESULT_CYCLES), rule(Rule.FIRINGS), get(State.IN_IMAGE) == 0)
                        give()
                        advance(State.WORD, rule(Rule.RESULTS))

                        def next_row() -> None:
                            put(State.X, 0)
                            store(released, rule(Rule.RELEASED) + get(State.DONE), time.value)
                            put(State.DONE, get(State.DONE) + 1)
                            advance(State.Y, rule(Rule.OUT_HEIGHT))

                        def next_window() -> None:
                            put(State.X, get(State.X) + 1)
                            when(get(State.X) >= rule(Rule.OUT_WIDTH), next_row)

                        when(get(State.WORD) == 0, next_window)

                    when(can.value > 0, go)

                can.set(1)
                with While(can.value > 0):
                    when(get(State.FIRED) >= rule(Rule.FIRINGS) * images, lambda: can.set(0))

                    def turn() -> None:
                        kind = rule(Rule.KIND)
                        when(kind == int(Kind.BEAT), beat)
                        when(kind == int(Kind.FILL), fill)
                        when(kind == int(Kind.WORK), work)

                    when(can.value > 0, turn)
    return kernel.function


def build_occupancy() -> Any:
    """TIR: the most places of each FIFO that are reserved at once.

    A place is reserved from the firing that gives the token (``latency`` before its stamp) until
    the cycle in which it is taken.
    """
    from tvm import tirx

    from .lanes import Kernel, Register, While, serial, store

    long = "int64"
    with Kernel("occupancy") as kernel:
        (edges,) = kernel.scalars("edges", dtype=long)
        offset, count, latency = (kernel.array(k, long) for k in ("offset", "count", "latency"))
        given, taken = kernel.array("give_stamp", long), kernel.array("take_stamp", long)
        most = kernel.array("most", long)
        gone = Register(long, 1, 0)
        with serial(tirx.const(0, long), edges) as e:
            gone.set(0)
            with serial(tirx.const(0, long), count[e]) as token:
                fired = given[offset[e] + token] - latency[e]
                earlier = tirx.And(gone.value < token, taken[offset[e] + gone.value] < fired)
                with While(earlier):
                    gone.set(gone.value + 1)
                store(most, e, tirx.max(most[e], token + 1 - gone.value))
    return kernel.function
