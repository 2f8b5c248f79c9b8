"""A network as a graph of torch.fx, with the user's line where that is impossible."""

from __future__ import annotations

import copy
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from ..evaluating import evaluating
from ..training.low_bit import LAYERS
from ..training.recipe import Settings

_INNER = "network."  # of the names of modules in a graph, before they are shortened
_MEND = (
    "Tracing follows one input without its numbers: it cannot choose by values or sizes of tensors "
    "(if, while, range, assert, max over sizes). Let __init__ or an argument choose, write "
    "torch.where, or fixed sizes"
)


class _Whole(nn.Module):
    """A network called with one argument, so that others keep their defaults."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Any) -> Any:
        return self.network(x)


class _Tracer(fx.Tracer):
    """A tracer that keeps layers whole, also those of the user's classes, and knows where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.path: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, LAYERS) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self.path.append((self.path_of_module(m).removeprefix(_INNER), type(m).__name__))
        try:
            found = super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed = self.failed or [*self.path]
            raise
        finally:
            self.path.pop()
        return found


def traced(settings: Settings, network: nn.Module, samples: Tensor) -> fx.GraphModule:
    """Return a copy of a network as a graph, in evaluation mode; its modules keep their names.

    Weights that are computed from other parameters by `torch.nn.utils.parametrizations` (weight
    norm, spectral norm) become the weights that they are.

    Args:
        settings: what names the network in messages.
        network: the network; it is not changed.
        samples: (N, ...), a few, on which the graph is compared with it.

    Raises:
        RecipeError: it cannot be traced; names module, file and line. Or the graph gives something
            else than the network.
    """
    own = copy.deepcopy(network).eval()
    for module in list(own.modules()):
        _compute_weights(module)
    tracer, whole = _Tracer(), _Whole(own)
    try:
        graph = tracer.trace(whole)
    except Exception as error:  # a network of the user's may raise anything
        place = _place(error, tracer.failed)
        said = cut(" ".join(str(error).split()), 300)
        text = f"torch.fx cannot trace it{place}: {type(error).__name__}: {plain(said)}. {_MEND}"
        raise settings.error("network", text) from error
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            if not str(node.target).startswith("network"):  # a constant that tracing made
                own.register_buffer(str(node.target), getattr(whole, str(node.target)))
            node.target = str(node.target).removeprefix(_INNER)
    if any(node.target == "network" for node in graph.nodes):
        raise settings.error("network", f"it is a single {type(own).__name__}, not layers")
    found = fx.GraphModule(own, graph, type(network).__name__)
    _compare(settings, network, found, samples)
    return found


def _compute_weights(module: nn.Module) -> None:
    """Replace computed weights by their values. torch's own removal changes the class, which the
    copy of a module shares with it.
    """
    if not parametrize.is_parametrized(module):
        return
    values = {
        name: getattr(module, name).detach()
        for name in module.get_submodule("parametrizations")._modules
    }
    del module.parametrizations
    module.__class__ = type(module).__bases__[0]
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value.clone()))


def _place(error: Exception, modules: list[tuple[str, str]]) -> str:
    """Return where tracing ended: the innermost module, and the last line that is the user's."""
    place = ""
    if modules:
        name, kind = modules[-1]
        inner = name and name != _INNER.rstrip(".")
        place = f" in {kind} {plain(name)}" if inner else f" in {kind}"
    library = Path(torch.__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if library not in Path(frame.filename).parents and Path(frame.filename) != Path(__file__)
    ]
    if frames:
        last = frames[-1]
        line = f" `{plain(last.line)}`" if last.line else ""
        place += f", {plain(last.filename)} line {last.lineno}:{line}"
    return place


def _compare(settings: Settings, network: nn.Module, graph: nn.Module, samples: Tensor) -> None:
    with torch.no_grad(), evaluating(network):
        want, got = network(samples), graph(samples)
    if not torch.allclose(want, got, rtol=1e-4, atol=1e-5 * float(want.abs().max())):
        raise settings.error(
            "network",
            "traced by torch.fx it gives something else than before: what it computes changes from "
            "call to call, by a random number, a counter or a choice that tracing does not see",
        )
