"""What names and texts of a program may be: they come out of files, and go into many."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from n2uqc.frontend.diagnostics import CompileError, Problem
from n2uqc.frontend.escape import c_identifier, plain, unprintable

from .operation import IllegalOp
from .program import Program

IDENTIFIER = re.compile(r"[A-Za-z0-9_.]+")
"""Names of tensors and constants, and keys of metadata."""


def check_names(program: Program) -> None:
    """Check that program text can say every name, and that none acts on the reader's screen.

    Raises:
        IllegalOp: naming the one that cannot stand.
    """
    tensors = (
        *program.inputs,
        *program.outputs,
        *program.types,
        *(op.output for op in program.ops),
    )
    for what, names in (
        ("tensor", tensors),
        ("constant", program.constants),
        ("metadata", program.metadata),
    ):
        for name in names:
            if not IDENTIFIER.fullmatch(name):
                raise IllegalOp(f"the name of a {what} is no identifier: {plain(name[:80])!r}")
    face = program.interface
    _readable("name", [program.name])
    if program.name != program.name.strip() or not program.name:
        raise IllegalOp("the program's name is empty or begins or ends in spaces")
    _readable("interface", [port.name for port in (*face.inputs, *face.outputs)])
    if program.host is not None:
        _readable("interface", program.host.outputs)
        _readable("host's part", (name for node in program.host.nodes for name in node))
    _readable("metadata", program.metadata.values())
    _readable("notes", program.notes)
    for op in program.ops:
        if op.origin:
            _readable(f"origin of {op.output}", op.origin)


def _readable(where: str, texts: Iterable[str]) -> None:
    for text in texts:
        if character := unprintable(text):
            raise IllegalOp(f"the program's {where} holds {character}: {plain(text[:80])!r}")


_OWN_ENDS = ("_real", "_observed", "_descriptor")
"""Ends of the names of a library's further headers, which no other network's header may take."""


def symbol_part(name: str) -> str:
    """Return a program's name as part of C symbols and file names: letters, digits, underscores."""
    made = c_identifier(name) or "network"
    return f"{made}_net" if f"_{made}".endswith(_OWN_ENDS) else made


def with_name(program: Program, name: str | None) -> Program:
    """Return the program under a name of the user's choice, of which symbols and files are made.

    Args:
        program: any program.
        name: small letters, digits and single underscores; None leaves the program as it is.

    Raises:
        CompileError: it is none.
    """
    if name is None:
        return program
    require_name(name)
    return replace(program, name=name)


def require_name(name: str) -> None:
    """Refuse what cannot stand in symbols as it is.

    Raises:
        CompileError: saying what would do.
    """
    near = symbol_part(name)
    if near != name:
        raise CompileError(
            Problem(
                node="",
                op="",
                found=f"the name {plain(name[:80])!r} cannot be part of a C symbol as it is",
                supported="small letters, digits and single underscores between them, 60 at most, "
                f"not {', '.join(_OWN_ENDS)} at the end",
                hint=f"choose {near!r} or another",
            )
        )
