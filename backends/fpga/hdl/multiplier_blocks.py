"""What multiplier blocks hold beside their products: registers, and sums behind them."""

from __future__ import annotations

from collections.abc import Sequence

from .controls import Nexts
from .families import Family
from .netlist import Netlist
from .products import blocks_of


def words_in_blocks(
    netlist: Netlist, nexts: Nexts, refs: Sequence[int], family: Family
) -> set[int]:
    """Return the numbers of sums and registers inside multiplier blocks.

    A block holds its product's register, adds to it, and holds the sum's register.

    Args:
        netlist: of a module.
        nexts: what its registers become.
        refs: how many cells and ports read each word.
        family: whose blocks.
    """
    base = netlist.base
    inside = set[int]()
    products = {
        n
        for n, word in enumerate(netlist.words)
        if word.op == "multiply" and _blocks(netlist, n, family) == 1
    }
    becomes = {here: base(value) for here, (value, _) in nexts.items()}
    held = {here for here, value in becomes.items() if value in products and refs[value] == 1}
    inside |= held
    for n, word in enumerate(netlist.words):
        if word.op in ("add", "subtract") and any(
            base(a) in held and refs[base(a)] == 1 for a in netlist.args[n]
        ):
            inside.add(n)
            inside.update(a for a in map(base, netlist.args[n]) if _starts_anew(netlist, refs, a))
    inside |= {here for here, value in becomes.items() if value in inside and refs[value] == 1}
    return inside


def bits_in_blocks(
    netlist: Netlist, value: int, refs: Sequence[int], register: int, family: Family
) -> int:
    """Return how many bits of a register of a product of two blocks the second one holds."""
    if not family.adds or netlist.words[value].op != "multiply" or refs[value] != 1:
        return 0
    if _blocks(netlist, value, family) != 2:
        return 0
    assert family.dsp is not None
    return max(0, netlist.need[register] - family.dsp[1])


def _blocks(netlist: Netlist, n: int, family: Family) -> int:
    """Return how many multiplier blocks a product takes."""
    a, b = (netlist.words[x] for x in netlist.args[n])
    return blocks_of(a, b, family)


def _starts_anew(netlist: Netlist, refs: Sequence[int], n: int) -> bool:
    """Tell whether a choice is 0, or a register to add to: multiplier blocks do that."""
    if netlist.words[n].op != "choose" or refs[n] != 1:
        return False
    _, *sides = map(netlist.base, netlist.args[n])
    zero = any(netlist.words[s].op == "constant" and netlist.words[s].lo == 0 for s in sides)
    return zero and any(netlist.words[s].op == "register" for s in sides)
