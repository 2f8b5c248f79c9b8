"""Folding: the number of processing elements and SIMD lanes of each engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.passes.program import Program

from .engines import Engine, Fold, engine_of

DEFAULT_LANES = 1024
"""Multipliers that ``default_folding`` may use: about 10,000 LUTs at 2 bits, a small FPGA."""


@dataclass(frozen=True, repr=False)
class Folding:
    """The parallelism of every engine of a program, by the tensor it defines.

    Attributes:
        engines: processing elements and lanes.
        forms: of engines that are not built in the form of fewest multiplier blocks.
    """

    engines: Mapping[str, Fold]
    forms: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        lanes = sum(fold.pe * fold.simd for fold in self.engines.values())
        return f"<Folding of {len(self.engines)} engines, {lanes:,} lanes>"

    def row(self, name: str) -> dict[str, Any]:
        """Return the entry of an engine for JSON."""
        fold = self.engines[name]
        form = {"form": self.forms[name]} if name in self.forms else {}
        return {"pe": fold.pe, "simd": fold.simd, **form}

    def to_json(self) -> str:
        """Return the folding as JSON for an editor, one line per engine."""
        rows = [f"    {json.dumps(name)}: {json.dumps(self.row(name))}" for name in self.engines]
        return '{\n  "engines": {\n' + ",\n".join(rows) + "\n  }\n}\n"

    @classmethod
    def from_json(cls, text: str, program: Program) -> Folding:
        """Read and check a folding for a program.

        Raises:
            CompileError: the text is no such JSON, an engine is missing or unknown, or a number
                does not divide its layer; lists all problems.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CompileError(
                Problem(
                    node="folding",
                    op="",
                    found=f"not JSON: {error}",
                    hint="start from the "
                    "folding.json that `n2uqc compile MODEL --target fpga` writes",
                )
            ) from error
        rows = data.get("engines") if isinstance(data, dict) else None
        if not isinstance(rows, dict):
            raise CompileError(
                Problem(
                    node="folding",
                    op="",
                    found='no object "engines"',
                    supported='{"engines": {"layer": {"pe": 4, "simd": 8}, ...}}',
                )
            )
        problems: list[Problem] = []
        folds: dict[str, Fold] = {}
        forms: dict[str, str] = {}
        for name, row in rows.items():
            if not _is_row(row):
                problems.append(
                    Problem(
                        node=name,
                        op="",
                        found=f"{json.dumps(row)} in the folding",
                        supported='{"pe": whole number, "simd": whole number}, and a "form" of the '
                        "engine if wanted",
                    )
                )
            else:
                folds[name] = Fold(row["pe"], row.get("simd", 1))
                forms |= {name: row["form"]} if "form" in row else {}
        folding = cls(folds, forms)
        known = [engine.name for engine in engines_of(program)]
        if rows and known and not set(rows) & set(known):
            raise CompileError(
                Problem(
                    node="folding",
                    op="",
                    found="of another network: none of its "
                    f"{len(rows)} engines ({_listed(list(rows)[:3])}, ...) is in this program",
                    supported=_listed(known),
                    hint="start from the folding.json that `n2uqc compile "
                    "MODEL --target fpga` writes for this network",
                )
            )
        problems += [p for p in folding.problems(program) if p.node not in rows or p.node in folds]
        if problems:
            raise CompileError(problems)
        return folding

    def problems(self, program: Program) -> list[Problem]:
        """Return the reasons why this folding does not fit the program; empty if it fits."""
        problems: list[Problem] = []
        known = set()
        for engine in engines_of(program):
            known.add(engine.name)
            fold = self.engines.get(engine.name)
            if fold is None:
                problems.append(
                    Problem(
                        node=engine.name,
                        op=engine.kind,
                        found="no entry in the folding",
                        hint=f'add "{engine.name}": {{"pe": 1, "simd": 1}}',
                    )
                )
                continue
            legal = fold.pe in engine.pe_options and fold.simd in engine.simd_options
            problems += self._problems_of_form(engine.folded(fold)) if legal else []
            for what, value, options in (
                ("pe", fold.pe, engine.pe_options),
                ("simd", fold.simd, engine.simd_options),
            ):
                if value not in options:
                    problems.append(
                        Problem(
                            node=engine.name,
                            op=engine.kind,
                            found=f"{what} {value} in the folding" + _origin(engine),
                            supported=f"{what} of {_listed(options)}",
                        )
                    )
        problems += [
            Problem(
                node=name,
                op="",
                found="the folding names an engine that the program has not",
                supported=_listed(sorted(known)),
                hint="remove the entry",
            )
            for name in self.engines
            if name not in known
        ]
        return problems

    def _problems_of_form(self, engine: Engine) -> list[Problem]:
        form = self.forms.get(engine.name, engine.forms[0])
        if form in engine.forms:
            return []
        forms = _listed([json.dumps(form) for form in engine.forms if form])
        fold = f"pe {engine.fold.pe}, simd {engine.fold.simd}"
        return [
            Problem(
                node=engine.name,
                op=engine.kind,
                found=f"form {json.dumps(form)} in the folding" + _origin(engine),
                supported=f"at {fold}: {forms}" if forms else "no forms to choose from",
                hint="leave the form out to have the one of fewest multiplier blocks",
            )
        ]

    def check(self, program: Program) -> None:
        """Raise CompileError with all problems unless the folding fits the program."""
        problems = self.problems(program)
        if problems:
            raise CompileError(problems)


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not {"pe"} <= set(row) <= {"pe", "simd", "form"}:
        return False
    numbers = {name: value for name, value in row.items() if name != "form"}
    whole = all(type(value) is int for value in numbers.values())
    return whole and isinstance(row.get("form", ""), str)


def _origin(engine: Engine) -> str:
    origin = engine.op.origin if engine.op is not None else ()
    return f" (from {', '.join(origin)})" if origin else ""


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))


def engines_of(program: Program) -> Iterator[Engine]:
    """Yield the engines of a program, unfolded, in program order; flattening needs no engine."""
    for op in program.ops:
        if not op.in_place(program.types, program.constants):
            yield engine_of(op, program)


def default_folding(
    program: Program, *, cycles: int | None = None, lanes: int = DEFAULT_LANES
) -> Folding:
    """Return a balanced folding: every engine is the smallest that reaches the target.

    Args:
        program: a lowered program.
        cycles: target, busy cycles per image; by default the least for which the multipliers of all
            engines stay within ``lanes``.
        lanes: budget of multipliers.

    Raises:
        CompileError: ``cycles`` is less than the fastest folding of some engine needs.
    """
    choices = {engine.name: choices_of(engine) for engine in engines_of(program)}
    fastest = {name: min(c for c, *_ in rows) for name, rows in choices.items()}
    floor = max(fastest.values(), default=1)
    if cycles is None:
        cycles = least_target(choices, floor, lanes)
    if cycles < floor:
        name = max(fastest, key=fastest.__getitem__)
        raise CompileError(
            Problem(
                node=name,
                op="",
                found=f"{cycles} cycles per image asked for",
                supported=f"{fastest[name]} or more: this engine's fastest folding",
            )
        )
    return Folding({name: smallest(rows, cycles)[-1] for name, rows in choices.items()})


Choice = tuple[int, int, int, int, Fold]
"""(cycles, lanes, rank among equals, multipliers, folding)"""


def choices_of(engine: Engine) -> list[Choice]:
    """Return an engine's legal foldings, cheapest first; of equals those with most SIMD in a tap.

    SIMD is increased before PE, as in FINN: it shortens the sum without widening the output stream.
    Foldings with more lanes than a tap has come last, because they read several positions of the
    buffer at once.
    """
    rows: list[Choice] = []
    for simd in engine.simd_options:
        for pe in engine.pe_options:
            fold = Fold(pe, simd)
            folded = engine.folded(fold)
            rank = simd if simd > engine.tap_lanes else -simd
            rows.append((folded.cycles, pe * simd, rank, folded.multipliers, fold))
    return sorted(rows, key=lambda row: (row[1], row[2], row[0]))


def smallest(rows: list[Choice], target: int) -> Choice:
    """Return the cheapest folding of at most so many cycles."""
    return next(row for row in rows if row[0] <= target)


def least_target(choices: Mapping[str, list[Choice]], floor: int, lanes: int) -> int:
    """Return the least target whose multipliers fit the budget, or that of the slowest folding."""
    targets = sorted({row[0] for rows in choices.values() for row in rows if row[0] >= floor})
    low, high = 0, len(targets) - 1
    while low < high:
        middle = (low + high) // 2
        spent = sum(smallest(rows, targets[middle])[3] for rows in choices.values())
        low, high = (low, middle) if spent <= lanes else (middle + 1, high)
    return targets[low] if targets else floor
