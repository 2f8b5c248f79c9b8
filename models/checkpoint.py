"""Reading of published N2UQ checkpoints, without running their pickle and with all keys checked.

The state dicts of the authors' training code (https://github.com/liuzechun/
Nonuniform-to-Uniform-Quantization) hold torchvision's names plus those of `blocks`, and the prefix
`module.` where the network was wrapped in DataParallel.
"""

from __future__ import annotations

import os
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from n2uqc.frontend.bounded_file import open_ordinary
from n2uqc.frontend.diagnostics import CompileError, Problem

from .architectures import BITS, Architecture, Variant, architectures

PREFIX = "module."
UNUSED = "num_batches_tracked"
"""Last part of keys that evaluation does not need; old checkpoints do not have them."""

EXPECTED = "a state dict saved by torch.save, alone or as the entry 'state_dict' of a dict"


@dataclass(frozen=True)
class Checkpoint:
    """A state dict, with the other numbers in the file.

    Attributes:
        path: The file.
        parameters: Tensors by name, without `prefix`.
        prefix: Prefix removed from every name, e.g. "module.", or "".
        beside: Numbers saved with the state dict, e.g. {"epoch": 119}.
    """

    path: str
    parameters: dict[str, Tensor]
    prefix: str
    beside: dict[str, float]

    @property
    def classes(self) -> int | None:
        """Outputs of the linear layer, None if weight and bias do not agree on them."""
        weight, bias = self.parameters.get("fc.weight"), self.parameters.get("fc.bias")
        if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
            return None
        return bias.numel() or None


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a state dict; nothing in the file is executed (`weights_only`).

    Args:
        path: File of torch.save, holding a state dict or a dict whose entry "state_dict" is one.

    Raises:
        CompileError: The file is no file of torch.save, is damaged, asks to run code, or holds
            something else.
        OSError: The file cannot be opened.
    """
    path = os.fspath(path)
    content = _unpickle(path)
    beside: dict[str, float] = {}
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        numbers = {str(key): _number(value) for key, value in content.items()}
        beside = {key: number for key, number in numbers.items() if number is not None}
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        found = f"holds {_kind(content)}"
        raise CompileError(Problem(path, "checkpoint", found, EXPECTED))
    strange = [f"{key!r} ({_kind(value)})" for key, value in content.items()
               if not isinstance(key, str) or not _is_plain(value)]  # fmt: skip
    if strange or not content:
        found = f"holds, not as tensors: {', '.join(strange)}" if strange else "is empty"
        raise CompileError(Problem(path, "checkpoint", found, EXPECTED))
    parameters, prefix = dict(content), ""
    while all(key.startswith(PREFIX) for key in parameters):
        parameters = {key.removeprefix(PREFIX): value for key, value in parameters.items()}
        prefix += PREFIX
    return Checkpoint(path, parameters, prefix, beside)


def build_network(
    checkpoint: Checkpoint, architecture: Architecture, variant: Variant
) -> nn.Module:
    """Return the network of a variant with the parameters of a checkpoint, in evaluation mode.

    Args:
        checkpoint: A result of `read_checkpoint`.
        architecture: An entry of `architectures`.
        variant: The network; `classes` is taken from the checkpoint if its linear layer is
            consistent.

    Raises:
        CompileError: Lists every missing and extra key, every wrong shape, and every tensor with
            values that are not finite or that float32 cannot represent.
        ValueError: The architecture has no such variant.
    """
    variant = replace(variant, classes=checkpoint.classes or variant.classes)
    network = architecture.build(variant)
    expected = network.state_dict()
    faults = list(_faults(checkpoint.parameters, expected))
    if faults:
        found = f"does not fit {_title(architecture, variant)}\n" + "\n".join(faults)
        fitting = " or ".join(_fitting(checkpoint))
        hint = f"these options fit: {fitting}" if fitting else ""
        supported = f"the {len(expected)} keys of the published {architecture.name}"
        raise CompileError(Problem(checkpoint.path, "checkpoint", found, supported, hint))
    network.load_state_dict({**expected, **checkpoint.parameters})
    return network.eval()


def _unpickle(path: str) -> Any:
    file = open_ordinary(path)
    try:
        with warnings.catch_warnings(), file:
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        what = f"`{wanted[1]}`" if wanted else "more than tensors"
        raise CompileError(Problem(
            path, "checkpoint",
            f"refused: its pickle asks for {what}, and what a pickle asks for is "
            "run while it is read",
            EXPECTED,
            "if you trust its source, load it where it was made and save only the tensors: "
            "torch.save(network.state_dict(), FILE)",
        )) from None  # fmt: skip
    except Exception as error:  # a damaged file may raise any exception
        found = "not a file of torch.save, a damaged one, or a TorchScript archive"
        raise CompileError(Problem(path, "checkpoint", found, EXPECTED)) from error


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )


def _number(value: object) -> float | None:
    if isinstance(value, Tensor) and _is_plain(value) and value.numel() == 1:
        value = value.item()
    return value if isinstance(value, int | float) else None


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {value.dtype}, {value.layout}, {value.device}".replace("torch.", "")
    return f"a {type(value).__name__}"


def _title(architecture: Architecture, variant: Variant) -> str:
    kind = f", {variant.downsample} downsample" if architecture.downsamples else ""
    return f"{architecture.name} at {variant.bits} bits{kind}"


def _faults(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield one paragraph per kind of problem."""
    missing = [key for key in expected if key not in given and not key.endswith(UNUSED)]
    misshapen, unreal = [], []
    for key in expected.keys() & given.keys():
        actual, wanted = given[key], expected[key]
        if actual.shape != wanted.shape:
            misshapen.append(f"{key} {list(actual.shape)} instead of {list(wanted.shape)}")
        elif not bool(torch.isfinite(actual).all()):
            unreal.append(f"{key} (not finite)")
        elif not torch.equal(actual.to(wanted.dtype).to(actual.dtype), actual):
            kinds = f"{actual.dtype} values that no {wanted.dtype} is".replace("torch.", "")
            unreal.append(f"{key} ({kinds})")
        elif key.endswith("running_var") and bool((actual < 0).any()):
            unreal.append(f"{key} (negative)")
    extra = [key for key in given if key not in expected]
    named = {"missing": missing, "extra": extra, "misshapen": misshapen, "unusable": unreal}
    for name, keys in named.items():
        if keys:
            text = f"{name} ({len(keys)}): {', '.join(sorted(keys))}"
            yield textwrap.fill(
                text, 100, initial_indent=" " * 4, subsequent_indent=" " * 8,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip


def _fitting(checkpoint: Checkpoint) -> Iterator[str]:
    """Yield the command-line options of every published network that the keys and shapes fit."""
    given = checkpoint.parameters
    for architecture in architectures.values():
        for quantized in (False, True) if architecture.downsamples else (False,):
            for bits in BITS:
                variant = Variant(
                    bits, "quantized" if quantized else "float", checkpoint.classes or 1000
                )
                with torch.device("meta"):  # names and shapes, no memory
                    expected = architecture.build(variant).state_dict()
                if not any(True for _ in _faults(given, expected)):
                    option = " --quantize-downsample" if quantized else ""
                    yield f"--arch {architecture.name} --bits {bits}{option}"
