"""Enables and resets of registers, and what makes them."""

from __future__ import annotations

from collections.abc import Sequence

from .families import Family
from .netlist import Netlist

Nexts = dict[int, tuple[int, list[int]]]
"""What each register becomes, and its enables and resets, by number."""

_WIRES = frozenset({"input", "output", "read", "register"})
"""Words that no LUT makes, which could give the opposite as well."""


def find_enables(
    netlist: Netlist, nexts: Nexts, refs: Sequence[int], family: Family
) -> tuple[set[int], int]:
    """Find choices between a new and the old value, or a constant, in front of registers: these
    do them as enable and reset.

    Args:
        netlist: of a module.
        nexts: what registers become; such choices are taken off.
        refs: how many cells and ports read each word.
        family: whose registers.

    Returns:
        the choices, and LUTs that only make the opposite of a control.
    """
    base = netlist.base
    free = set[int]()
    opposite = set[tuple[int, int]]()  # bits that set or enable registers while they are 0
    for here, (value, controls) in nexts.items():
        resets = 0  # a bit is set or reset by one signal
        for _ in range(3):
            n = base(value)
            if netlist.words[n].op != "choose" or n in free or refs[n] > 1:
                break
            condition, *sides = netlist.args[n]
            old = [s for s in sides if base(s) == here]
            fixed = [s for s in sides if netlist.words[base(s)].op == "constant"]
            resets += not old
            if not (old or fixed) or resets > 1:
                break
            leaves = [s for s in sides if s not in (old or fixed)]
            free.add(n)
            controls.append(condition)
            turned = (old or fixed)[0] == sides[not old]
            if ("enable" if old else "reset") in family.inverters:
                opposite |= _inverted(netlist, condition, turned)
            value = leaves[0] if leaves else sides[0]
            if not leaves:
                break
        nexts[here] = value, controls
    return free, len(opposite)


def _inverted(netlist: Netlist, n: int, turned: bool) -> set[tuple[int, int]]:
    """Return the bit whose opposite a condition, or the opposite of one, is; none if a LUT makes
    it.
    """
    while True:
        (n, at, _), *_ = netlist.parts(n)
        if netlist.words[n].op != "not":
            break
        (n,), turned = netlist.args[n], not turned
    return {(n, at)} if turned and netlist.words[n].op in _WIRES else set()
