"""The possible changes of a source file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_BINARY: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "minimum": "maximum",
    "maximum": "minimum",
}

# What only words or speed hang on: messages, checks of what cannot be, types, caches.
_WORDS = {
    "Problem",
    "CompileError",
    "UserError",
    "Refused",
    "warn",
    "field",
    "TypeVar",
    "cast",
    "lru_cache",
}
_SPEED = {
    "strict",
    "frozen",
    "slots",
    "kw_only",
    "repr",
    "copy",
    "maxsize",
    "parallel",
    "cache",
    "instructions",
}
_TEXT = {"__repr__", "__str__", "describe"}

# Prices by which kernels are chosen: a wrong one makes a slow choice, never a wrong result; the
# record of `benchmarks/instructions.json` holds what comes of them.
_PRICES = {"instructions", "registers"}
_SCHEDULING = {"vectorize", "unroll", "parallel", "annotate"}


@dataclass(frozen=True)
class Site:
    """One change of one file.

    Attributes:
        path: of the file, relative to the project.
        first, last: lines of the innermost statement, or of its head.
        start, end: bytes of the file that are replaced.
        old, new: the text there, and the text instead.
    """

    path: str
    first: int
    last: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        """Return the file with the change."""
        assert source[self.start : self.end].decode() == self.old
        return source[: self.start] + self.new.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.path}:{self.first}: {self.old} -> {self.new}"


def sites(path: str, source: bytes) -> list[Site]:
    """Return all changes that a file offers, in its order; none of them is a syntax error."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    found = []
    for node, statement in _nodes(tree, None):
        for start, end, new in _changes(node, source, starts):
            last = _head_end(statement)
            old = source[start:end].decode()
            found.append(Site(path, statement.lineno, last, start, end, old, new))
    return sorted(set(found), key=lambda s: (s.start, s.new))


def _head_end(statement: ast.stmt) -> int:
    """Return the last line of a statement without the statements in it."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _nodes(node: ast.AST, statement: ast.stmt | None) -> Iterator[tuple[ast.AST, ast.stmt]]:
    """Yield nodes that mean something, each with its innermost statement."""
    if isinstance(node, ast.stmt):
        statement = node
    if statement is not None:
        yield node, statement
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _only_words(child):
                yield from _nodes(child, statement)


def _only_words(node: ast.AST) -> bool:
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in _TEXT | _PRICES
    if isinstance(node, ast.keyword):
        return node.arg in _SPEED
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.Call) and _called(node) in _WORDS | _SCHEDULING


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _changes(node: ast.AST, source: bytes, starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """(start, end, text instead) of each change of a node itself."""

    def place(n: ast.AST, end: bool = False) -> int:
        line = getattr(n, "end_lineno" if end else "lineno")
        return int(starts[line - 1] + getattr(n, "end_col_offset" if end else "col_offset"))

    def between(left: ast.AST, right: ast.AST, old: str) -> tuple[int, int] | None:
        start = place(left, end=True)
        word = old.replace(" ", r"\s+") if old[0].isalpha() else re.escape(old)
        match = re.search(word.encode(), source[start : place(right)])
        return None if match is None else (start + match.start(), start + match.end())

    match node:
        case ast.Compare():
            terms = [node.left, *node.comparators]
            for left, op, right in zip(terms, node.ops, terms[1:], strict=False):
                old, new = _COMPARE[type(op)]
                if where := between(left, right, old):
                    yield *where, new
        case ast.BinOp() if type(node.op) in _BINARY and not _is_text(node):
            old, new = _BINARY[type(node.op)]
            if where := between(node.left, node.right, old):
                yield *where, new
        case ast.BoolOp():
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            if where := between(node.values[0], node.values[1], old):
                yield *where, new
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield place(node), place(node) + (3 if isinstance(node.op, ast.Not) else 1), ""
        case ast.Constant(value=bool()):
            yield place(node), place(node, end=True), str(not node.value)
        case ast.Constant(value=int()):
            yield place(node), place(node, end=True), str(node.value + 1)
        case ast.Call() if _called(node) in _NAMES:
            end = place(node.func, end=True)
            name = _called(node)
            yield end - len(name), end, _NAMES[name]
        case ast.If() | ast.IfExp() | ast.While():
            start, end = place(node.test), place(node.test, end=True)
            yield start, end, f"(not ({source[start:end].decode()}))"
        case ast.Continue() | ast.Break():
            yield place(node), place(node, end=True), "pass"
        case ast.Expr(value=ast.Call() as call) if _called(call) in _WORDS | _SCHEDULING:
            pass
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield place(node), place(node, end=True), "pass"


def _is_text(node: ast.BinOp) -> bool:
    """Return whether a sum is of strings or lists, or a bar stands between types."""
    sides = (node.left, node.right)
    if isinstance(node.op, (ast.Add, ast.Mult, ast.Mod)):
        return any(
            isinstance(s, (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp))
            or (isinstance(s, ast.Constant) and isinstance(s.value, str))
            for s in sides
        )
    return any(isinstance(s, ast.Constant) and s.value is None for s in sides)
