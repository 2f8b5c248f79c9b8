"""The innermost loop of ``polynomial.py`` in Thumb-2 assembly.

Sums, words and pointers take all fourteen registers, so that the loop's count has to stay in
memory, which no compiler would choose; and LLVM breaks chains of long multiply-accumulates apart.
"""

from __future__ import annotations

from collections.abc import Iterator

_AHEAD = 4  # loads before the first product

_CODES, _TAPS, _SAVED = "r0", "r1", "push {r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}"


def free_registers(rows: int, taps: int) -> int:
    """Return the registers that sums and a channel's taps leave for codes; the loop needs one."""
    return 12 - 2 * rows - taps


def cycles(rows: int, taps: int, unrolled: int, dual: bool) -> float:
    """Estimate the loop's cycles for one channel, by the cores' manuals.

    A code's load that has but one register cannot be early.  llvm-mca 22 finds such loops of four
    rows a fifth slower on both cores than loops of three, whose loads come together.

    Args:
        rows, taps, unrolled, dual: as for ``sum_function``.
    """
    lines, registers = rows + taps - 1, free_registers(rows, taps)
    products, loads = rows * taps, lines + taps
    late = lines if registers < 2 else 0
    if dual:
        return max(products, loads) + 1 + late + 7 / unrolled
    # On a single-issue core a burst of loads takes a cycle more than the words it loads.
    return products + loads + 1 + -(-lines // registers) + late / 2 + 7 / unrolled


def sum_name(rows: int, taps: int, unrolled: int, dual: bool) -> str:
    """Return the name of the function that ``sum_function`` writes."""
    return f"n2uqc_polynomial_{rows}x{taps}_{unrolled}{'d' if dual else ''}"


def sum_function(rows: int, taps: int, unrolled: int, dual: bool) -> str:
    """Write ``void f(const int32_t *codes, const int32_t *taps, int count, int64_t *sums)``.

    For each channel ``rows + taps - 1`` words of codes and ``taps`` words of taps; a sum of
    products for each row, over ``count * unrolled`` channels.

    Args:
        rows: of sums, 1 to 4.
        taps: words of each channel.
        unrolled: channels that a turn of the loop takes.
        dual: for cores that issue a load beside a product: loads stand between products, as early
            as a register is free.  Otherwise they come in bursts, which single-issue cores prefer.

    Returns:
        the function as textual IR.
    """
    sums = [(f"r{2 + 2 * k}", f"r{3 + 2 * k}") for k in range(rows)]
    free = [*(f"r{k}" for k in range(2 + 2 * rows, 13)), "lr"]
    step = list((_spread if dual else _bursts)(rows, free[:taps], free[taps:], unrolled))
    counter = free[-1]
    body = [
        _SAVED,
        *(f"mov {register}, #0" for pair in sums for register in pair),
        "1:",
        *step,
        f"ldr {counter}, [sp]",
        f"subs {counter}, {counter}, #1",
        f"str {counter}, [sp]",
        "bne 1b",
        f"ldr {counter}, [sp, #4]",
        f"stm {counter}, {{{', '.join(register for pair in sums for register in pair)}}}",
        "add sp, sp, #8",
        "pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}",
    ]
    text = "\\0A".join(body)
    return (
        f"\ndefine internal void @{sum_name(rows, taps, unrolled, dual)}(ptr %codes, ptr %taps, "
        f"i32 %count, ptr %sums) naked noinline {{\n"
        f'  call void asm sideeffect "{text}", ""()\n  unreachable\n}}\n'
    )


def _product(row: int, code: str, tap: str) -> str:
    return f"smlal r{2 + 2 * row}, r{3 + 2 * row}, {code}, {tap}"


def _pairs(rows: int, taps: int) -> Iterator[tuple[int, list[int]]]:
    """Yield each line of codes, and the rows of sums that it belongs to."""
    for line in range(rows + taps - 1):
        yield line, list(range(max(0, line - taps + 1), min(rows, line + 1)))


def _bursts(rows: int, taps: list[str], codes: list[str], unrolled: int) -> Iterator[str]:
    for _ in range(unrolled):
        yield f"ldm {_TAPS}!, {{{', '.join(taps)}}}"
        lines = list(_pairs(rows, len(taps)))
        for first in range(0, len(lines), len(codes)):
            part = list(zip(lines[first : first + len(codes)], codes, strict=False))
            names = ", ".join(register for _, register in part)
            yield (
                f"ldm {_CODES}!, {{{names}}}" if len(part) > 1 else f"ldr {names}, [{_CODES}], #4"
            )
            for (line, below), register in part:
                yield from (_product(r, register, taps[line - r]) for r in below)


def _spread(rows: int, taps: list[str], codes: list[str], unrolled: int) -> Iterator[str]:
    """Yield loads and products in turns; a load waits for the last use of its register."""
    loads: list[tuple[str, str]] = []  # register and instruction, in order
    products: list[tuple[int, tuple[int, int]]] = []  # row, and its two loads
    last_use = {-1: -1}  # of a load: the product
    turn = 0
    for channel in range(unrolled):
        place: dict[str, int] = {}
        for line, below in _pairs(rows, len(taps)):
            if line < len(taps):
                at = 4 * (channel * len(taps) + line)
                place[f"tap {line}"] = len(loads)
                loads.append((taps[line], f"ldr {taps[line]}, [{_TAPS}, #{at}]"))
            register, at = codes[turn % len(codes)], 4 * (channel * (rows + len(taps) - 1) + line)
            turn += 1
            place[f"code {line}"] = len(loads)
            loads.append((register, f"ldr {register}, [{_CODES}, #{at}]"))
            for r in below:
                pair = place[f"code {line}"], place[f"tap {line - r}"]
                last_use.update(dict.fromkeys(pair, len(products)))
                products.append((r, pair))
    holder: dict[str, int] = {}
    loaded = done = 0
    while done < len(products):
        blocked = loaded == len(loads) or last_use[holder.get(loads[loaded][0], -1)] >= done
        if not blocked:
            register, text = loads[loaded]
            holder[register] = loaded
            loaded += 1
            yield text
        row, (code, tap) = products[done]
        # The first loads get a head start.
        if max(code, tap) < loaded and (blocked or loaded >= _AHEAD):
            yield _product(row, loads[code][0], loads[tap][0])
            done += 1
    yield f"add {_TAPS}, {_TAPS}, #{4 * unrolled * len(taps)}"
    yield f"add {_CODES}, {_CODES}, #{4 * unrolled * (rows + len(taps) - 1)}"
