"""A program that computes indices, seen as one that ends at the values before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ..exact.integer_heads import SCORES
from ..program.boundary import real_outputs
from ..program.interface import Interface
from ..program.named import Named
from ..program.program import Program
from ..rewrite import live


class Unrelated(ValueError):
    """The program is not of this network."""


def scored(program: Program, real: Program) -> Program:
    """Return the program whose outputs are those of the imported network, the values before heads.

    Raises:
        Unrelated: it has no such tensors.
    """
    text = program.metadata.get(SCORES)
    if text is None:
        return program
    names = tuple(text.split(","))
    if len(names) != len(real.outputs) or not set(names) <= set(program.types):
        raise Unrelated(f"its heads read {text:.80}, where the network has {len(real.outputs)}")
    face = Interface(program.interface.inputs, real.interface.outputs)
    return live(replace(program, interface=face, outputs=names, host=real.host))


def by_port(program: Program, tensors: Named) -> dict[str, NDArray[Any]]:
    """Return a program's outputs by name, of its tensors by name."""
    ports = program.interface.outputs
    return {p.name: tensors[name] for p, name in zip(ports, program.outputs, strict=True)}


def index_pairs(
    program: Program, real: Program, tensors: Named, scores: Named
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Yield each output of indices: by name, as the program gives it, and as ``onnx`` defines it.

    Args:
        program: the program.
        real: the imported network, whose heads are evaluated by ONNX's reference.
        tensors: the program's tensors that are outputs, integers (N, H, W, C) by name.
        scores: its values before the heads, in real units, by the network's names.
    """
    if real.host is None or not any(port.indices for port in program.interface.outputs):
        return
    own, wanted = real_outputs(program, by_port(program, tensors)), real.host(scores)
    for name, found in own.items():
        if found.dtype.kind in "iu":
            yield name, found, wanted[name]
