"""RTLIL rewritten so that the Verilog written from it says what it means: no operand is extended or
cut in silence, nothing stands there that is not used.

Values do not change, nor does what synthesis makes of it: yosys takes the same bits away again.
Format: "Text representation of RTLIL" in the manual of yosys; what is read here is what Amaranth
writes of it, in which every wire that is read stands with the bits that are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_WIRE = re.compile(r"wire width (\d+)(.*?) ([\\$]\S+)$")
_USE = re.compile(r"([\\$]\S+)(?: \[(\d+)(?::\d+)?\])?")
_CONSTANT = re.compile(r"\d+'([01]+)$")

_SUMS = {"$add", "$sub", "$mul"}
_BY_BIT = {"$mux": "WIDTH", **dict.fromkeys(_SUMS, "Y_WIDTH")}
"""Operators whose low bits depend on the low bits of operands alone, and their result's width."""
_COMPARISONS = {"$lt", "$le", "$gt", "$ge", "$eq", "$ne"}
_DRIVERS = {"$dff", *_SUMS, *_COMPARISONS} | {
    *("$and", "$or", "$xor", "$not", "$neg", "$mux", "$shl", "$shr", "$sshr", "$shift", "$shiftx"),
    *("$reduce_or", "$reduce_and", "$reduce_xor", "$reduce_bool", "$logic_not", "$div", "$mod"),
}


@dataclass
class _Block:
    """A statement of a module, with the lines that belong to it.

    Attributes:
        lines: stripped.
        kind: ``wire``, ``connect``, a cell's type, or "" for others.
        name: of the wire, or of the one that is driven.
    """

    lines: list[str]
    kind: str = ""
    name: str = ""

    def parameter(self, name: str) -> int:
        return int(self._value(f"parameter \\{name} ") or 0)

    def connected(self, port: str) -> str:
        return self._value(f"connect \\{port} ")

    def put(self, start: str, value: object) -> None:
        at = next(k for k, line in enumerate(self.lines) if line.startswith(start))
        self.lines[at] = f"{start}{value}"

    def _value(self, start: str) -> str:
        return next((x[len(start) :] for x in self.lines if x.startswith(start)), "")


@dataclass
class _Module:
    first: str
    blocks: list[_Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.first.split()[-1]


def fitted(files: Mapping[str, str]) -> dict[str, str]:
    """Return RTLIL files in which instances connect the ports that their modules have: one without
    registers has no clock."""
    ports: dict[str, set[str]] = {}
    modules = {name: _modules(text) for name, text in files.items()}
    for module in (m for inside in modules.values() for m in inside):
        wires = [_WIRE.match(b.lines[-1]) for b in module.blocks if b.kind == "wire"]
        ports[module.name] = {w[3] for w in wires if w and "put " in w[2]}
    for module in (m for inside in modules.values() for m in inside):
        for block in module.blocks:
            head = next(line for line in block.lines if not line.startswith("attribute"))
            if head.startswith("cell ") and (there := ports.get(head.split()[1])) is not None:
                block.lines = [
                    line
                    for line in block.lines
                    if not line.startswith("connect ") or line.split()[1] in there
                ]
    return {name: "\n".join(map(_text, inside)) + "\n" for name, inside in modules.items()}


def tidy(text: str) -> str:
    """Return RTLIL with operands of equal width and without what is not used."""
    out: list[str] = []
    for module in _modules(text):
        for block in module.blocks:
            _decide(block)
        while _dropped(module) | _shortened(module):
            pass
        for block in module.blocks:
            if block.kind in _SUMS | _COMPARISONS | {"$shl", "$shr", "$sshr"}:
                _widen(block)
        out.append(_text(module))
    return "\n".join(out) + "\n"


def _text(module: _Module) -> str:
    lines = [module.first]
    for block in module.blocks:
        lines += [*block.lines, ""]
    return "\n".join([*lines, "end"])


def _modules(text: str) -> list[_Module]:
    modules: list[_Module] = []
    pending: list[str] = []
    depth = 0
    block: _Block | None = None
    for raw in text.splitlines():
        line = raw.strip()
        word = line.partition(" ")[0]
        if block is not None:  # inside a cell or process
            block.lines.append(line)
            depth += (word == "switch") - (word == "end")
            if not depth:
                block = None
        elif not line or line.startswith("#"):
            continue
        elif word == "attribute":
            pending.append(line)
        elif word == "module":
            modules.append(_Module("\n".join([*pending, line])))
            pending = []
        elif word == "end":
            pending = []
        else:
            found = _Block([*pending, line])
            pending = []
            modules[-1].blocks.append(found)
            if word in ("cell", "process"):
                block, depth = found, 1
    for module in modules:
        for each in module.blocks:
            _classify(each)
    return modules


def _classify(block: _Block) -> None:
    line = next(x for x in block.lines if not x.startswith("attribute"))
    if found := _WIRE.match(line):
        block.kind, block.name = "wire", found[3]
    elif line.startswith("connect ") and " " not in (parts := line.split(" ", 2))[1]:
        block.kind, block.name = "connect", parts[1]
    elif line.startswith("cell ") and (kind := line.split()[1]) in _DRIVERS:
        block.kind, block.name = kind, block.connected("Q" if kind == "$dff" else "Y")


def _reads(block: _Block) -> list[str]:
    """Return the parts of a statement that name wires which it reads, or may read."""
    if block.kind == "wire":
        return []
    if block.kind == "connect":
        return [block.lines[-1].split(" ", 2)[2]]
    if block.kind:
        result = "\\Q " if block.kind == "$dff" else "\\Y "
        return [x[8:] for x in block.lines if x.startswith("connect ") and x[8:11] != result]
    return [x for x in block.lines if not x.startswith("attribute")]


def _used(module: _Module) -> dict[str, int]:
    """Return by wire how many of its lowest bits are read or driven outside its own cell."""
    used: dict[str, int] = {}
    for block in module.blocks:
        for line in _reads(block):
            for name, top in _USE.findall(line):
                used[name] = max(used.get(name, 0), int(top) + 1 if top else 1 << 30)
    return used


def _dropped(module: _Module) -> bool:
    """Drop what drives a wire that nothing reads, and wires without bits or that nothing names."""
    used = _used(module)
    wires = {b.name: b.lines[-1] for b in module.blocks if b.kind == "wire"}
    needed = {name for name, line in wires.items() if "put " in line or name in used}

    def kept(block: _Block) -> bool:
        if not block.kind:
            return True
        empty = wires.get(block.name, "").startswith("wire width 0 ")
        return block.name not in wires or (block.name in needed and not empty)

    before = len(module.blocks)
    module.blocks = [block for block in module.blocks if kept(block)]
    return len(module.blocks) < before


def _shortened(module: _Module) -> bool:
    """Cut results whose high bits nothing reads."""
    used, changed = _used(module), False
    wires = {b.name: b for b in module.blocks if b.kind == "wire"}
    for block in module.blocks:
        wire = wires.get(block.name)
        if block.kind not in _BY_BIT or wire is None or not block.name.startswith("$"):
            continue
        bits = used.get(block.name, 1 << 30)
        if bits >= block.parameter(_BY_BIT[block.kind]):
            continue
        changed = True
        wire.lines[-1] = _WIRE.sub(rf"wire width {bits}\2 \3", wire.lines[-1])
        block.put(f"parameter \\{_BY_BIT[block.kind]} ", bits)
        for port in "AB":
            width = "WIDTH" if block.kind == "$mux" else f"{port}_WIDTH"
            if block.kind == "$mux" or block.parameter(width) > bits:
                block.put(f"connect \\{port} ", _low(block.connected(port), bits))
                block.put(f"parameter \\{width} ", bits)
    return changed


def _decide(block: _Block) -> None:
    """Put the constant where an unsigned number is compared with zero."""
    zero = re.fullmatch(r"\d+'0*|\{ *\}", block.connected("B")) is not None  # or no bits
    if block.kind in ("$lt", "$ge") and zero and not block.parameter("A_SIGNED"):
        block.lines = [f"connect {block.name} 1'{int(block.kind == '$ge')}"]
        block.kind = "connect"


def _low(signal: str, bits: int) -> str:
    """Return the lowest bits of a signal."""
    if constant := _CONSTANT.match(signal):
        return f"{bits}'{constant[1][-bits:]}"
    if single := re.fullmatch(r"([\\$]\S+) \[(?:\d+:)?(\d+)\]", signal):
        low = int(single[2])
        return f"{single[1]} [{low + bits - 1}:{low}]"
    return f"{signal} [{bits - 1}:0]"


def _widen(block: _Block) -> None:
    """Extend operands to the width in which the operator works."""
    shift = block.kind in ("$shl", "$shr", "$sshr")
    widths = {port: block.parameter(f"{port}_WIDTH") for port in "AB"}
    signed = block.parameter("A_SIGNED") and (shift or block.parameter("B_SIGNED"))
    width = (
        max(widths.values())
        if block.kind in _COMPARISONS
        else max(block.parameter("Y_WIDTH"), widths["A"] if shift else 0)
    )
    for port in "A" if shift else "AB":
        missing = width - widths[port]
        if missing > 0:
            top = _top(block.connected(port), widths[port]) if signed else "1'0"
            parts = [top] * missing if signed else [f"{missing}'{'0' * missing}"]
            whole = f"{{ {' '.join(parts)} {block.connected(port)} }}"
            block.put(f"connect \\{port} ", whole)
            block.put(f"parameter \\{port}_WIDTH ", width)


def _top(signal: str, width: int) -> str:
    """Return the highest bit of a signal."""
    if constant := _CONSTANT.match(signal):
        return f"1'{constant[1][0]}"
    if single := re.fullmatch(r"([\\$]\S+) \[(\d+)(?::\d+)?\]", signal):
        return f"{single[1]} [{single[2]}]"
    return f"{signal} [{width - 1}]"


def with_defaults(verilog: str) -> str:
    """Return Verilog in which every case statement has a default, if only to leave things as they
    are.
    """
    out: list[str] = []
    complete: list[bool] = []  # of each open statement
    for line in verilog.splitlines():
        word = line.strip()
        if word.startswith(("case ", "casez ")):
            complete.append(False)
        elif word.startswith("default:"):
            complete[-1] = True
        elif word == "endcase" and not complete.pop():
            out.append(line.replace("endcase", "  default: ;"))
        out.append(line)
    return "\n".join(out) + "\n"
