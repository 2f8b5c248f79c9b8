"""The timing recurrence of DATAPATH.md for one state machine, in TIR.

Importing this module imports TVM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import tirx

from ..lanes import Else, If, Then, Variable, While, serial, store
from .tables import MachineKind, Rule, Stat, State

LONG = "int64"


class Turn:
    """Records the TIR of one turn of a state machine: it fires while it can.

    In the recurrence of DATAPATH.md, ``ready`` is the first cycle in which all tokens are
    available, ``place`` the first in which all results have a place, and ``can`` says whether both
    are known.
    """

    def __init__(self, tables: dict[str, Any], machine: Any, images: Any, moved: Any) -> None:
        self.t, self.m, self.images, self.moved = tables, machine, images, moved
        self.ready, self.place, self.can, self.time = (Variable(LONG, 1, 0) for _ in range(4))

    def run(self) -> None:
        self.can.set(1)
        with While(self.can.value > 0):
            done = self.get(State.FIRED) >= self.rule(Rule.FIRINGS) * self.images
            self.when(done, lambda: self.can.set(0))
            self.when(self.can.value > 0, self.step)

    def step(self) -> None:
        self.ready.set(0)
        self.place.set(0)
        kind = self.rule(Rule.KIND)
        self.when(kind == int(MachineKind.BEAT), self.beat)
        self.when(kind == int(MachineKind.FILL), self.fill)
        self.when(kind == int(MachineKind.WORK), self.work)

    # --- tables ---

    def rule(self, column: Rule) -> Any:
        return self.t["rules"][self.m * len(Rule) + int(column)]

    def get(self, column: State, machine: Any = None) -> Any:
        machine = self.m if machine is None else machine
        return self.t["state"][machine * len(State) + int(column)]

    def put(self, column: State, value: Any) -> None:
        store(self.t["state"], self.m * len(State) + int(column), value)

    def advance(self, column: State, period: Any, then: Callable[[], None] | None = None) -> None:
        """Increment a counter that restarts after a period; ``then`` runs on a restart."""
        self.put(column, self.get(column) + 1)

        def anew() -> None:
            self.put(column, 0)
            if then is not None:
                then()

        self.when(self.get(column) >= period, anew)

    def when(self, condition: Any, body: Callable[[], None]) -> None:
        with If(condition), Then():
            body()

    def each(self, first: Rule, count: Rule) -> Any:
        """Return a loop over the machine's part of the wiring."""
        return serial(self.rule(first), self.rule(first) + self.rule(count))

    # --- tokens and places ---

    def await_stamp(self, known: Any, stamp: Any, since: Any) -> None:
        """Record ``since = max(since, stamp + 1)``,
        or the end of the turn if the stamp is not known yet.
        """
        with If(known):
            with Then():
                since.set(tirx.max(since.value, stamp.astype(LONG) + 1))
            with Else():
                self.can.set(0)

    def inputs(self, second: Any = None) -> Any:
        """Return a loop over the input edges; if two inputs take turns, over the current one."""
        if second is None:
            return self.each(Rule.INPUTS, Rule.INPUT_COUNT)
        turns = self.rule(Rule.TURNS)
        first = self.rule(Rule.INPUTS) + turns * second
        return serial(first, first + tirx.Select(turns > 0, turns, self.rule(Rule.INPUT_COUNT)))

    def ask_inputs(self, second: Any = None) -> None:
        t = self.t
        with self.inputs(second) as k:
            edge = t["wiring"][k]
            at = t["offset"][edge] + t["taken"][edge]
            known = t["taken"][edge] < t["given"][edge]
            self.await_stamp(known, t["give_stamp"][at], self.ready)

    def ask_outputs(self) -> None:
        t = self.t
        with self.each(Rule.OUTPUTS, Rule.OUTPUT_COUNT) as k:
            edge = t["wiring"][k]
            before = t["given"][edge] - t["depth"][edge]
            stamp = t["take_stamp"][t["offset"][edge] + before]
            known = before < t["taken"][edge]
            self.when(before >= 0, lambda: self.await_stamp(known, stamp, self.place))

    def take(self, second: Any = None) -> None:
        t = self.t
        with self.inputs(second) as k:
            edge = t["wiring"][k]
            store(t["take_stamp"], t["offset"][edge] + t["taken"][edge], self.time.value)
            store(t["taken"], edge, t["taken"][edge] + 1)

    def give(self) -> None:
        t = self.t
        with self.each(Rule.OUTPUTS, Rule.OUTPUT_COUNT) as k:
            edge = t["wiring"][k]
            stamp = self.time.value + self.rule(Rule.LATENCY)
            store(t["give_stamp"], t["offset"][edge] + t["given"][edge], stamp)
            store(t["given"], edge, t["given"][edge] + 1)

    def fire(self, cycles: Any = 1) -> None:
        """Record a firing of some cycles; the last of them needs a place for the result."""
        base = self.get(State.TIME) + 1
        start = Variable(LONG, 1, tirx.max(base, self.ready.value))
        self.time.set(tirx.max(start.value + cycles - 1, self.place.value))
        row = (self.m * self.images + self.get(State.IMAGE)) * len(Stat)
        stats = self.t["stats"]

        def note(column: Stat, value: Any) -> None:
            store(stats, row + int(column), value)

        def add(column: Stat, value: Any) -> None:
            note(column, stats[row + int(column)] + value)

        self.when(self.get(State.IN_IMAGE) == 0, lambda: note(Stat.FIRST, start.value))
        self.when(self.get(State.FIRED) > 0, lambda: add(Stat.STARVED, start.value - base))
        add(Stat.BLOCKED, self.time.value - (start.value + cycles - 1))
        note(Stat.LAST, self.time.value)
        self.put(State.TIME, self.time.value)
        self.put(State.FIRED, self.get(State.FIRED) + 1)
        self.moved.set(1)

    def next_image(self) -> None:
        """Count images; the last step of a firing,
        because the other steps read the image's number.
        """
        self.advance(
            State.IN_IMAGE,
            self.rule(Rule.FIRINGS),
            lambda: self.put(State.IMAGE, self.get(State.IMAGE) + 1),
        )

    # --- the three kinds of state machines ---

    def beat(self) -> None:
        early = self.get(State.TAKE_PHASE) < self.rule(Rule.TAKE_LENGTH)
        takes = tirx.Or(early, self.rule(Rule.TURNS) > 0)
        second = tirx.Select(early, tirx.const(0, LONG), tirx.const(1, LONG))
        gives = self.get(State.GIVE_PHASE) >= self.rule(Rule.GIVE_PERIOD) - self.rule(
            Rule.GIVE_LENGTH
        )
        self.when(takes, lambda: self.ask_inputs(second))
        self.when(gives, self.ask_outputs)

        def paced() -> None:
            total = self.get(State.FIRED) * self.rule(Rule.PACE)
            due = tirx.floordiv(total, self.rule(Rule.FIRINGS))
            self.ready.set(tirx.max(self.ready.value, due))

        self.when(self.rule(Rule.PACE) > 0, paced)

        def go() -> None:
            self.fire()
            self.when(takes, lambda: self.take(second))
            self.when(gives, self.give)
            self.advance(State.TAKE_PHASE, self.rule(Rule.TAKE_PERIOD))
            self.advance(State.GIVE_PHASE, self.rule(Rule.GIVE_PERIOD))
            self.next_image()

        self.when(self.can.value > 0, go)

    def fill(self) -> None:
        """Record a line buffer's writer:
        the first word of a row waits until the row it replaces is released.
        """
        self.ask_inputs()
        kept = tirx.And(
            tirx.floormod(self.get(State.Y), self.rule(Rule.DROP_ROWS)) == 0,
            tirx.floormod(self.get(State.X), self.rule(Rule.DROP_COLUMNS)) == 0,
        )
        width = self.rule(Rule.KEPT_WIDTH) * self.rule(Rule.WORDS)

        def ask_row() -> None:
            old = Variable(
                LONG, 1, tirx.floordiv(self.get(State.DONE), width) - self.rule(Rule.CAPACITY)
            )

            def occupied() -> None:
                height, outputs = self.rule(Rule.KEPT_HEIGHT), self.rule(Rule.OUT_HEIGHT)
                y = tirx.floormod(old.value, height) + self.rule(Rule.TOP)
                reader = tirx.min(tirx.floordiv(y, self.rule(Rule.STRIDE_HEIGHT)), outputs - 1)
                row = Variable(LONG, 1, tirx.floordiv(old.value, height) * outputs + reader)
                known = row.value < self.get(State.DONE, self.rule(Rule.PARTNER))
                stamp = self.t["released"][self.rule(Rule.RELEASED) + row.value]
                self.await_stamp(known, stamp, self.place)

            self.when(old.value >= 0, occupied)

        starts = tirx.floormod(self.get(State.DONE), width) == 0
        self.when(tirx.And(kept, starts), ask_row)

        def write() -> None:
            at = self.rule(Rule.WRITTEN) + self.get(State.DONE)
            store(self.t["written"], at, self.time.value)
            self.put(State.DONE, self.get(State.DONE) + 1)

        def next_pixel() -> None:
            self.advance(
                State.X,
                self.rule(Rule.ARRIVING_WIDTH),
                lambda: self.advance(State.Y, self.rule(Rule.ARRIVING_HEIGHT)),
            )

        def go() -> None:
            self.fire()
            self.take()
            self.when(kept, write)
            self.advance(State.WORD, self.rule(Rule.WORDS), next_pixel)
            self.next_image()

        self.when(self.can.value > 0, go)

    def work(self) -> None:
        """Record a line buffer's reader: the first result of a window waits for the window's last
        pixel in the map.
        """
        self.ask_outputs()

        def last(at: State, step: Rule, pad: Rule, reach: Rule, size: Rule) -> Any:
            end = self.get(at) * self.rule(step) - self.rule(pad) + self.rule(reach) - 1
            return tirx.max(tirx.min(end, self.rule(size) - 1), 0)

        def ask_window() -> None:
            y = last(State.Y, Rule.STRIDE_HEIGHT, Rule.TOP, Rule.REACH_HEIGHT, Rule.KEPT_HEIGHT)
            x = last(State.X, Rule.STRIDE_WIDTH, Rule.LEFT, Rule.REACH_WIDTH, Rule.KEPT_WIDTH)

            row = self.get(State.IMAGE) * self.rule(Rule.KEPT_HEIGHT) + y
            pixels = row * self.rule(Rule.KEPT_WIDTH) + x + 1
            need = Variable(LONG, 1, pixels * self.rule(Rule.WORDS) - 1)
            known = need.value < self.get(State.DONE, self.rule(Rule.PARTNER))
            stamp = self.t["written"][self.rule(Rule.WRITTEN) + need.value]
            self.await_stamp(known, stamp, self.ready)

        self.when(self.get(State.WORD) == 0, ask_window)

        def release() -> None:
            at = self.rule(Rule.RELEASED) + self.get(State.DONE)
            store(self.t["released"], at, self.time.value)
            self.put(State.DONE, self.get(State.DONE) + 1)
            self.advance(State.Y, self.rule(Rule.OUT_HEIGHT))

        def go() -> None:
            self.fire(self.rule(Rule.RESULT_CYCLES))
            self.give()
            self.advance(
                State.WORD,
                self.rule(Rule.RESULTS),
                lambda: self.advance(State.X, self.rule(Rule.OUT_WIDTH), release),
            )
            self.next_image()

        self.when(self.can.value > 0, go)
