"""Tensors as codes times one step plus one offset, and joins of such tensors.

Offsets and scales that differ between quantizers stand between their codes and what reads them: a
pool, a movement, a join. These are then done to the codes. What a join brings together in different
scales becomes integers times one step: exact where the scales have a common measure, else
off by a stated error about that of float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from ..fixed_point.multipliers import short
from ..options import Options
from ..program import ConstRef, Op, Program
from ..program.operation import integer
from ..program.ops import Concat, Lookup
from ..program.ops.movements import moved_integers
from ..program.ops.real import (
    Affine,
    RealConcat,
    RealFlatten,
    RealLookup,
    RealMaxPool,
    RealRearrange,
)
from ..program.types import Constant, IntType, TensorType
from ..rewrite import ConstantPool, fresh
from .levels import Levels, joint_levels

_NONE = Fraction(0)
_MOST_CODES = 1 << 16  # of a tensor whose values are listed
_MOST_PARTS = 256  # of a join whose parts get a table each


@dataclass(frozen=True)
class Form:
    """A tensor of the network as ``slope * codes + offset``.

    Attributes:
        codes: a tensor of the program, of integers.
        slope: real value of the integer 1, not 0.
        offset: real value of the integer 0.
        levels: the value of each code from 0 on, if they are uneven; slope and offset then mean
            nothing.
    """

    codes: str
    slope: Fraction
    offset: Fraction
    levels: tuple[Fraction, ...] | None = None

    def values(self, codes: IntType) -> list[Fraction]:
        """Return the values of the codes from 0 to the last one of a type."""
        if self.levels is not None:
            return list(self.levels)
        return [self.slope * k + self.offset for k in range(codes.hi + 1)]


class CodeForms:
    """The codes of a program under construction, which grows by operations on them."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program, self.options = program, options
        self.producers = {op.output: op for op in program.ops}
        self.types: dict[str, TensorType] = {name: program.types[name] for name in program.inputs}
        self.pool = ConstantPool(dict(program.constants))
        self.ops: list[Op] = []
        self.tables: dict[str, str] = {}  # of codes with an offset: their levels, by name
        self.forms: dict[str, Form | None] = {}
        self._names = set(program.types)

    def name(self, wish: str) -> str:
        """Return a name that no tensor has."""
        name = fresh(self._names, wish)
        self._names.add(name)
        return name

    def put(self, op: Op, scale: Fraction | None = None, error: Fraction = _NONE) -> None:
        tensor_type = op.infer(self.types, self.pool.all)
        if isinstance(tensor_type, IntType) and not op.real:
            tensor_type = replace(tensor_type, scale=scale, error=short(error))
        self.types[op.output] = tensor_type
        self.ops.append(op)

    def codes(self, name: str) -> IntType | None:
        """Return the type of a tensor of integers with one scale; None for other tensors."""
        tensor_type = self.types[name]
        return (
            tensor_type
            if isinstance(tensor_type, IntType) and tensor_type.scale is not None
            else None
        )

    def form(self, name: str) -> Form | None:
        """Return the codes of which a tensor is an affine map; None if it is none, or has no single
        one for all channels.
        """
        codes = self.codes(name)
        if codes is not None and codes.scale is not None:
            return Form(name, codes.scale, _NONE)
        if name not in self.forms:
            op = self.producers.get(name)
            self.forms[name] = None
            if isinstance(op, Affine):
                self.forms[name] = self._shifted(op)
            elif isinstance(op, RealConcat):
                self.forms[name] = self._joined(op)
            elif isinstance(op, RealMaxPool | RealRearrange | RealFlatten):
                self.forms[name] = self._moved(op)
        return self.forms[name]

    def _shifted(self, op: Affine) -> Form | None:
        slope, offset, form = op.slope[0].rational, op.offset[0].rational, self.form(op.inputs[0])
        same = {*op.slope} == {op.slope[0]} and {*op.offset} == {op.offset[0]}
        if form is None or not same or not slope or offset is None:
            return None
        return Form(form.codes, form.slope * slope, form.offset * slope + offset)

    def _moved(self, op: RealMaxPool | RealRearrange | RealFlatten) -> Form | None:
        """Move codes as the network moves their values."""
        form = self.form(op.inputs[0])
        if form is None:
            return None
        if isinstance(op, RealMaxPool):
            fits = form.slope > 0
        elif isinstance(op, RealRearrange):
            fits = not form.offset or not self._pads(op)  # places outside are a real zero
        else:
            fits = op.channels_last
        return replace(form, codes=self._put_moved(op, form.codes)) if fits else None

    def _put_moved(self, op: RealMaxPool | RealRearrange | RealFlatten, codes: str) -> str:
        """Emit a movement of codes; return its output."""
        name = self.name(f"{op.output}.codes")
        self.put(moved_integers(replace(op, output=name, inputs=(codes,))), *self._facts(codes))
        return name

    def _pads(self, op: RealRearrange) -> bool:
        tables = (op.rows, op.columns, op.channels)
        return any((self.pool.all[table].values < 0).any() for table in tables)

    def _facts(self, *codes: str) -> tuple[Fraction | None, Fraction]:
        """Return the scale and error of codes that are moved or joined."""
        types = [integer(name, self.types[name]) for name in codes]
        return types[0].scale, max(t.error for t in types)

    def _joined(self, op: RealConcat) -> Form | None:
        """Join codes; if their scales or zero points differ, as integers times one step."""
        leaves, waiting = list[str](), [op.output]
        while waiting:
            name = waiting.pop()
            maker = self.producers.get(name)
            if isinstance(maker, RealConcat) and self.codes(name) is None:
                waiting += maker.inputs[::-1]
            elif len(leaves) == _MOST_PARTS:
                return None
            else:
                leaves.append(name)
        forms = [self._leaf(name) for name in leaves]
        rows = []
        for form in forms:
            codes = None if form is None else self.codes(form.codes)
            if form is None or codes is None or codes.hi - codes.lo > _MOST_CODES:
                return None
            rows.append((form, codes))
        first, first_codes = rows[0]
        same = all(
            (form.slope, form.offset, codes.scale) == (first.slope, first.offset, first_codes.scale)
            and form.levels is None
            for form, codes in rows
        )
        parts = [form.codes for form, _ in rows]
        slope, offset = first.slope, first.offset
        if not same:
            if any(codes.lo < 0 for _, codes in rows):
                return None
            values = [form.values(codes) for form, codes in rows]
            found = joint_levels(values, self.options.code_level_bits)
            slope, offset = found[0].step, _NONE
            for k, levels in enumerate(found):
                name = self.name(f"{op.output}.{k}")
                self.lookup(name, parts[k], op.origin, levels)
                parts[k] = name
        whole = parts[0]
        for part in parts[1:]:
            name = self.name(f"{op.output}.codes")
            joined = Concat(output=name, inputs=(whole, part), origin=op.origin)
            self.put(joined, *self._facts(whole, part))
            whole = name
        return Form(whole, slope, offset)

    def _leaf(self, name: str) -> Form | None:
        """Return the form of a part of a join; of uneven levels, that of the codes they stand
        for.
        """
        op = self.producers.get(name)
        if isinstance(op, RealLookup):
            return Form(op.inputs[0], Fraction(1), _NONE, tuple(v.rest for v in op.levels))
        return self.form(name)

    def lookup(self, name: str, codes: str, origin: tuple[str, ...], levels: Levels) -> None:
        """Emit a lookup of the integers of levels, one for each code from 0 on."""
        table = ConstRef(self.pool.add(f"{name}.levels", Constant.narrow(list(levels.numbers))))
        lookup = Lookup(output=name, inputs=(codes,), origin=origin, table=table)
        self.put(lookup, levels.step, levels.miss)
