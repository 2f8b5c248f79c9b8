"""The timing recurrence of DATAPATH.md in plain Python, for machines without a code generator.

It computes what the kernels of ``kernels.py`` compute, some hundred times slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tables import MachineKind, Rule, Stat, State

Longs = NDArray[np.int64]
_WRITTEN = (
    "state", "given", "taken", "give_stamp", "take_stamp", "written", "released", "stats",
)  # fmt: skip


def advance(images: int, tables: Mapping[str, NDArray[Any]]) -> None:
    """Fire all state machines until none can fire; write into the tables what the kernel does."""
    machines = _Machines(images, tables)
    machines.run()
    for name in _WRITTEN:
        values = np.array(getattr(machines, name), np.int64)  # stamps may wrap, as the kernel's do
        tables[name].reshape(-1)[:] = values.reshape(-1).astype(tables[name].dtype)


class _Machines:
    """The tables as lists, which Python indexes faster than arrays.

    In the recurrence, ``ready`` is the first cycle in which all tokens are available, ``place`` the
    first in which all results have a place, and ``can`` says whether both are known.
    """

    def __init__(self, images: int, tables: Mapping[str, NDArray[Any]]) -> None:
        self.images = images
        self.rules: list[list[int]] = tables["rules"].tolist()
        self.state: list[list[int]] = tables["state"].tolist()
        self.stats: list[list[list[int]]] = tables["stats"].tolist()
        self.wiring, self.depth, self.offset, self.source, self.target = (
            tables[name].tolist() for name in ("wiring", "depth", "offset", "source", "target")
        )
        self.given, self.taken, self.give_stamp, self.take_stamp, self.written, self.released = (
            tables[name].tolist()
            for name in ("given", "taken", "give_stamp", "take_stamp", "written", "released")
        )
        self.ready = self.place = self.time = 0
        self.can = True

    def run(self) -> None:
        count = len(self.rules)
        queue, queued = deque(range(count)), [True] * count
        steps = {
            MachineKind.BEAT: self.beat,
            MachineKind.FILL: self.fill,
            MachineKind.WORK: self.work,
        }
        while queue:
            machine = queue.popleft()
            queued[machine] = False
            rule, state = self.rules[machine], self.state[machine]
            step, total = steps[MachineKind(rule[Rule.KIND])], rule[Rule.FIRINGS] * self.images
            before = state[State.FIRED]
            self.can = True
            while state[State.FIRED] < total:
                self.ready = self.place = 0
                step(machine, rule, state)
                if not self.can:
                    break
            if state[State.FIRED] == before:
                continue
            woken = [self.source[edge] for edge in self.edges(rule, Rule.INPUTS, Rule.INPUT_COUNT)]
            woken += [
                self.target[edge] for edge in self.edges(rule, Rule.OUTPUTS, Rule.OUTPUT_COUNT)
            ]
            if rule[Rule.KIND] != MachineKind.BEAT:
                woken.append(rule[Rule.PARTNER])
            for other in woken:
                if not queued[other]:
                    queued[other] = True
                    queue.append(other)

    def edges(self, rule: list[int], first: Rule, count: Rule) -> list[int]:
        found: list[int] = self.wiring[rule[first] : rule[first] + rule[count]]
        return found

    # --- tokens and places ---

    def sources(self, rule: list[int], second: int) -> list[int]:
        """Return the input edges; of two inputs that take turns, the current one."""
        if not rule[Rule.TURNS]:
            return self.edges(rule, Rule.INPUTS, Rule.INPUT_COUNT)
        first = rule[Rule.INPUTS] + rule[Rule.TURNS] * second
        found: list[int] = self.wiring[first : first + rule[Rule.TURNS]]
        return found

    def ask_inputs(self, edges: list[int]) -> None:
        for edge in edges:
            at = self.taken[edge]
            if at < self.given[edge]:
                self.ready = max(self.ready, self.give_stamp[self.offset[edge] + at] + 1)
            else:
                self.can = False

    def ask_outputs(self, rule: list[int]) -> None:
        for edge in self.edges(rule, Rule.OUTPUTS, Rule.OUTPUT_COUNT):
            before = self.given[edge] - self.depth[edge]
            if before < 0:
                continue
            if before < self.taken[edge]:
                self.place = max(self.place, self.take_stamp[self.offset[edge] + before] + 1)
            else:
                self.can = False

    def take(self, edges: list[int]) -> None:
        for edge in edges:
            self.take_stamp[self.offset[edge] + self.taken[edge]] = self.time
            self.taken[edge] += 1

    def give(self, rule: list[int]) -> None:
        for edge in self.edges(rule, Rule.OUTPUTS, Rule.OUTPUT_COUNT):
            stamp = self.time + rule[Rule.LATENCY]
            self.give_stamp[self.offset[edge] + self.given[edge]] = stamp
            self.given[edge] += 1

    def fire(self, machine: int, state: list[int], cycles: int = 1) -> None:
        """Fire for some cycles; the last of them needs a place for the result."""
        base = state[State.TIME] + 1
        start = max(base, self.ready)
        self.time = max(start + cycles - 1, self.place)
        row = self.stats[machine][state[State.IMAGE]]
        if state[State.IN_IMAGE] == 0:
            row[Stat.FIRST] = start
        if state[State.FIRED]:
            row[Stat.STARVED] += start - base
        row[Stat.BLOCKED] += self.time - (start + cycles - 1)
        row[Stat.LAST] = self.time
        state[State.TIME] = self.time
        state[State.FIRED] += 1

    def next_image(self, rule: list[int], state: list[int]) -> None:
        if _wraps(state, State.IN_IMAGE, rule[Rule.FIRINGS]):
            state[State.IMAGE] += 1

    # --- the three kinds of state machines ---

    def beat(self, machine: int, rule: list[int], state: list[int]) -> None:
        early = state[State.TAKE_PHASE] < rule[Rule.TAKE_LENGTH]
        takes = early or rule[Rule.TURNS] > 0
        gives = state[State.GIVE_PHASE] >= rule[Rule.GIVE_PERIOD] - rule[Rule.GIVE_LENGTH]
        edges = self.sources(rule, 0 if early else 1)
        if takes:
            self.ask_inputs(edges)
        if gives:
            self.ask_outputs(rule)
        if rule[Rule.PACE]:
            due = state[State.FIRED] * rule[Rule.PACE] // rule[Rule.FIRINGS]
            self.ready = max(self.ready, due)
        if not self.can:
            return
        self.fire(machine, state)
        if takes:
            self.take(edges)
        if gives:
            self.give(rule)
        _wraps(state, State.TAKE_PHASE, rule[Rule.TAKE_PERIOD])
        _wraps(state, State.GIVE_PHASE, rule[Rule.GIVE_PERIOD])
        self.next_image(rule, state)

    def fill(self, machine: int, rule: list[int], state: list[int]) -> None:
        """Fire a line buffer's writer:
        the first word of a row waits until the row it replaces is released.
        """
        edges = self.edges(rule, Rule.INPUTS, Rule.INPUT_COUNT)
        self.ask_inputs(edges)
        kept = not (
            state[State.Y] % rule[Rule.DROP_ROWS] or state[State.X] % rule[Rule.DROP_COLUMNS]
        )
        row, word = divmod(state[State.DONE], rule[Rule.KEPT_WIDTH] * rule[Rule.WORDS])
        old = row - rule[Rule.CAPACITY]
        if kept and word == 0 and old >= 0:
            image, y = divmod(old, rule[Rule.KEPT_HEIGHT])
            reader = (y + rule[Rule.TOP]) // rule[Rule.STRIDE_HEIGHT]
            at = image * rule[Rule.OUT_HEIGHT] + min(reader, rule[Rule.OUT_HEIGHT] - 1)
            if at < self.state[rule[Rule.PARTNER]][State.DONE]:
                self.place = max(self.place, self.released[rule[Rule.RELEASED] + at] + 1)
            else:
                self.can = False
        if not self.can:
            return
        self.fire(machine, state)
        self.take(edges)
        if kept:
            self.written[rule[Rule.WRITTEN] + state[State.DONE]] = self.time
            state[State.DONE] += 1
        if _wraps(state, State.WORD, rule[Rule.WORDS]) and _wraps(
            state, State.X, rule[Rule.ARRIVING_WIDTH]
        ):
            _wraps(state, State.Y, rule[Rule.ARRIVING_HEIGHT])
        self.next_image(rule, state)

    def work(self, machine: int, rule: list[int], state: list[int]) -> None:
        """Fire a line buffer's reader: the first result of a window waits for the window's last
        pixel in the map.
        """
        self.ask_outputs(rule)
        if state[State.WORD] == 0:
            y = state[State.Y] * rule[Rule.STRIDE_HEIGHT] - rule[Rule.TOP]
            x = state[State.X] * rule[Rule.STRIDE_WIDTH] - rule[Rule.LEFT]
            y = max(min(y + rule[Rule.REACH_HEIGHT] - 1, rule[Rule.KEPT_HEIGHT] - 1), 0)
            x = max(min(x + rule[Rule.REACH_WIDTH] - 1, rule[Rule.KEPT_WIDTH] - 1), 0)
            row = state[State.IMAGE] * rule[Rule.KEPT_HEIGHT] + y
            need = (row * rule[Rule.KEPT_WIDTH] + x + 1) * rule[Rule.WORDS] - 1
            if need < self.state[rule[Rule.PARTNER]][State.DONE]:
                self.ready = max(self.ready, self.written[rule[Rule.WRITTEN] + need] + 1)
            else:
                self.can = False
        if not self.can:
            return
        self.fire(machine, state, rule[Rule.RESULT_CYCLES])
        self.give(rule)
        if _wraps(state, State.WORD, rule[Rule.RESULTS]) and _wraps(
            state, State.X, rule[Rule.OUT_WIDTH]
        ):
            self.released[rule[Rule.RELEASED] + state[State.DONE]] = self.time
            state[State.DONE] += 1
            _wraps(state, State.Y, rule[Rule.OUT_HEIGHT])
        self.next_image(rule, state)


def _wraps(state: list[int], column: State, period: int) -> bool:
    """Increment a counter that restarts after a period; return whether it did."""
    state[column] += 1
    if state[column] < period:
        return False
    state[column] = 0
    return True


def occupancy(
    offsets: Longs, counts: Longs, latency: Longs, given: NDArray[Any], taken: NDArray[Any]
) -> tuple[Longs, Longs]:
    """Return the most places of each FIFO reserved at once, and its longest reservation.

    A place is reserved from the firing that gives the token (``latency`` cycles before its stamp)
    until the token is taken.
    """
    most, longest = np.zeros_like(counts), np.zeros_like(counts)
    for edge, (offset, count) in enumerate(zip(offsets.tolist(), counts.tolist(), strict=True)):
        if not count:
            continue
        part, tokens = slice(offset, offset + count), np.arange(count)
        left = taken[part].astype(np.int64)
        fired = given[part].astype(np.int64) - latency[edge]
        gone = np.minimum(np.searchsorted(left, fired, side="left"), tokens)
        most[edge] = (tokens + 1 - np.maximum.accumulate(gone)).max()
        longest[edge] = max(int((left - fired).max()), 0)
    return most, longest
