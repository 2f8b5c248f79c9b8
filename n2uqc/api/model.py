"""What functions take: a program, or what one is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from n2uqc.frontend.input_shape import InputShape
from n2uqc.frontend.source import Source, digest, file_name, stem
from n2uqc.passes import Options, load
from n2uqc.passes.from_file import is_program
from n2uqc.passes.pass_manager import Observer
from n2uqc.passes.pipeline import graph_of
from n2uqc.passes.program import Program
from n2uqc.passes.program.store import to_bytes

from .errors import UserError


@dataclass(frozen=True)
class OpenedModel:
    """A program with what it was made of.

    Attributes:
        program: the program.
        name: its file's, without the ending; the program's own if it has no file.
        file: name of the file; None for what is in memory.
        given: the network or saved program; None if the program itself was given.
        options: what it was compiled with; None for one that is given or was saved.
    """

    program: Program
    name: str
    file: str | None
    given: Source | None = None
    options: Options | None = None

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the network's or program's file, or of what the file of a program would be."""
        if self.given is None:
            return hashlib.sha256(to_bytes(self.program)).hexdigest()
        return digest(self.given)

    @property
    def network(self) -> Source | None:
        """What the program was compiled from; None for one that is given or was saved."""
        return None if self.options is None else self.given

    @cached_property
    def graph(self) -> ir.Model | None:
        """The network's canonical graph; None without a network."""
        return None if self.network is None else graph_of(self.network, self.program)


Openable = OpenedModel | Program | Source
"""A program, or a network or saved program that becomes one: path, bytes, ``onnx.ModelProto``,
``onnx_ir.Model``."""


def open_model(
    given: Openable,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    observe: Observer | None = None,
) -> OpenedModel:
    """Return a program with what it was made of; one that is open already is returned.

    Args:
        given: the program or network.
        options: of the fixed-point parts; for networks only.
        input_shape: sizes for dynamic axes of the input, as (C, H, W), or of inputs by name; for
            networks only.
        observe: called after each pass.

    Raises:
        TypeError: it is something else.
        CompileError, StoreError: it cannot be compiled or read.
        UserError: options for a program, whose widths and shapes stand.
    """
    if isinstance(given, OpenedModel):
        return given
    if isinstance(given, Program) or is_program(given):
        if options is not None or input_shape is not None:
            raise UserError("a program's widths, ranges and shapes stand: options are for networks")
        if isinstance(given, Program):
            return OpenedModel(given, given.name, None)
        return OpenedModel(load(given), stem(given), file_name(given), given)
    options = options or Options()
    program = load(given, options, input_shape=input_shape, observe=observe)
    return OpenedModel(program, stem(given), file_name(given), given, options)
