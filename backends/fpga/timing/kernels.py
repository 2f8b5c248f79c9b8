"""TIR kernels of the timing simulation: firing of all state machines, and FIFO occupancy.

State machines are run in turn. Each fires as long as the times of its tokens and places are known,
and then wakes its neighbors. Firing times are the least fixed point of equations of max and plus,
so the order of the turns does not matter (a Kahn network). If no machine is awake before the end,
it is a deadlock.

TVM is imported only where a kernel is built.
"""

from __future__ import annotations

from typing import Any

from .tables import MachineKind, Rule

LONG = "int64"


def build_advance(stamp: str) -> Any:
    """Build the kernel that fires all state machines until none can fire.

    Its parameters are images, machines, rules (machines, Rule), wiring (edges by machine), and
    depth, offset, source and target by edge. It writes state (machines, State), counts of given and
    taken tokens by edge, stamps of giving and taking by token (from ``offset`` of its edge),
    written by word, released by output row, stats (machines, images, Stat), queue and queued
    (machines).

    Args:
        stamp: dtype of the stamps (cycles), int32 or int64.
    """
    from tvm import tirx

    from ..lanes import If, KernelBuilder, Then, Variable, While, serial, store
    from .turn import Turn

    with KernelBuilder("advance") as kernel:
        images, machines = kernel.scalars("images", "machines", dtype=LONG)
        stamps = {"give_stamp", "take_stamp", "written", "released"}
        t = {name: kernel.array(name, stamp if name in stamps else LONG) for name in ADVANCE}
        head, length, m = (Variable(LONG, 1, k) for k in (0, machines, 0))
        moved = Variable(LONG, 1, 0)
        queue, queued = t["queue"], t["queued"]
        with serial(tirx.const(0, LONG), machines) as k:
            store(queue, k, k)
            store(queued, k, 1)
        with While(length.value > 0):
            m.set(queue[head.value])
            head.set(tirx.floormod(head.value + 1, machines))
            length.set(length.value - 1)
            store(queued, m.value, 0)
            moved.set(0)
            turn = Turn(t, m.value, images, moved)
            turn.run()

            def wake(other: Any) -> None:
                with If(queued[other] == 0), Then():
                    store(queue, tirx.floormod(head.value + length.value, machines), other)
                    store(queued, other, 1)
                    length.set(length.value + 1)

            with If(moved.value > 0), Then():
                with turn.each(Rule.INPUTS, Rule.INPUT_COUNT) as k:
                    wake(t["source"][t["wiring"][k]])
                with turn.each(Rule.OUTPUTS, Rule.OUTPUT_COUNT) as k:
                    wake(t["target"][t["wiring"][k]])
                with If(turn.rule(Rule.KIND) != int(MachineKind.BEAT)), Then():
                    wake(turn.rule(Rule.PARTNER))
    return kernel.function


ADVANCE = (
    "rules",
    "wiring",
    "depth",
    "offset",
    "source",
    "target",
    "state",
    "given",
    "taken",
    "give_stamp",
    "take_stamp",
    "written",
    "released",
    "stats",
    "queue",
    "queued",
)
"""Arrays of ``advance`` in order."""


def build_occupancy(stamp: str) -> Any:
    """Build the kernel that finds the most places of each FIFO reserved at once,
    and the longest reservation.

    A place is reserved from the firing that gives the token (``latency`` cycles before its stamp)
    until the token is taken.

    Args:
        stamp: dtype of the stamps (cycles), int32 or int64.
    """
    from tvm import tirx

    from ..lanes import KernelBuilder, Variable, While, serial, store

    with KernelBuilder("occupancy") as kernel:
        (edges,) = kernel.scalars("edges", dtype=LONG)
        offset, count, latency = (kernel.array(k, LONG) for k in ("offset", "count", "latency"))
        given, taken = kernel.array("give_stamp", stamp), kernel.array("take_stamp", stamp)
        most, longest = kernel.array("most", LONG), kernel.array("longest", LONG)
        gone = Variable(LONG, 1, 0)
        with serial(tirx.const(0, LONG), edges) as e:
            gone.set(0)
            with serial(tirx.const(0, LONG), count[e]) as token:
                fired = given[offset[e] + token].astype(LONG) - latency[e]
                left = taken[offset[e] + gone.value].astype(LONG)
                with While(tirx.And(gone.value < token, left < fired)):
                    gone.set(gone.value + 1)
                store(most, e, tirx.max(most[e], token + 1 - gone.value))
                stay = taken[offset[e] + token].astype(LONG) - fired
                store(longest, e, tirx.max(longest[e], stay))
    return kernel.function
