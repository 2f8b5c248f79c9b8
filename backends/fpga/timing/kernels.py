"""TIR kernels of the timing simulation: firing everything, and how full FIFOs got.

State machines take turns, each fires as long as its tokens and places are known and then wakes its
neighbors.  Firing times are a least fixed point of max and plus, so the order of the turns does
not matter (a Kahn network); if nobody is awake before the end, it is a deadlock.

TVM is imported only where a kernel is built.
"""

from __future__ import annotations

from typing import Any

from .tables import Kind, Rule

LONG = "int64"


def build_advance(stamp: str) -> Any:
    """TIR: fires all state machines until nothing more can fire.

    Parameters: images, machines; rules (machines, Rule), wiring (edges by machine), depth, offset,
    source and target by edge; then what is written: state (machines, State), given and taken counts
    by edge, stamps of giving and taking by token (``offset`` of its edge on), written by word,
    released by output row, stats (machines, images, Stat), queue and queued (machines).

    Args:
        stamp: type of the stamps, int32 or int64.
    """
    from tvm import tirx

    from ..lanes import If, Kernel, Register, Then, While, serial, store
    from .turn import Turn

    with Kernel("advance") as kernel:
        images, machines = kernel.scalars("images", "machines", dtype=LONG)
        stamps = {"give_stamp", "take_stamp", "written", "released"}
        t = {name: kernel.array(name, stamp if name in stamps else LONG) for name in ADVANCE}
        head, length, m = (Register(LONG, 1, k) for k in (0, machines, 0))
        moved = Register(LONG, 1, 0)
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
                with If(turn.rule(Rule.KIND) != int(Kind.BEAT)), Then():
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
    """TIR: the most places of each FIFO reserved at once, and the longest that one was.

    A place is reserved from the firing that gives the token (``latency`` before its stamp) until
    the cycle in which it is taken.

    Args:
        stamp: type of the stamps, int32 or int64.
    """
    from tvm import tirx

    from ..lanes import Kernel, Register, While, serial, store

    with Kernel("occupancy") as kernel:
        (edges,) = kernel.scalars("edges", dtype=LONG)
        offset, count, latency = (kernel.array(k, LONG) for k in ("offset", "count", "latency"))
        given, taken = kernel.array("give_stamp", stamp), kernel.array("take_stamp", stamp)
        most, longest = kernel.array("most", LONG), kernel.array("longest", LONG)
        gone = Register(LONG, 1, 0)
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
