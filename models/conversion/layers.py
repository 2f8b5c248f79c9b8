"""Each use of a layer in a graph as a module of its own, and what comes first and last."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from ..training.low_bit import LAYERS

_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_FUNCTIONS: dict[Any, tuple[type[nn.Module], tuple[str, ...]]] = {
    F.linear: (nn.Linear, ("input", "weight", "bias")),
    F.conv1d: (nn.Conv1d, _CONVOLUTION),
    F.conv2d: (nn.Conv2d, _CONVOLUTION),
}
"""Layers written as functions: their module, and names of what they take."""
_PRODUCTS = ("matmul", "bmm", "mm", "addmm", "einsum", "conv3d", "conv_transpose1d",
             "conv_transpose2d", "linear", "conv1d", "conv2d")  # fmt: skip
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def separate_layers(network: fx.GraphModule) -> None:
    """Let each use of a layer be a module that is called once, in place; what it computes stays.

    Functions of parameters (`F.conv2d(x, self.weight)`) become modules; a module that is called
    again becomes a further one, which has the same parameters. So each use has a range of inputs of
    its own. Dropouts go: a network that learns another's outputs needs none.
    """
    graph, used = network.graph, set[str]()
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target in _FUNCTIONS:
            _as_module(network, node)
        elif node.op == "call_module":
            module = network.get_submodule(node.target)
            if isinstance(module, _DROPOUT):
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)
            elif isinstance(module, LAYERS) and node.target in used:
                shared = {id(each): each for each in module.parameters()}
                again = copy.deepcopy(module, shared)
                node.target = _added(network, str(node.target), again)
            used.add(str(node.target))
    graph.eliminate_dead_code()
    network.delete_all_unused_submodules()
    graph.lint()
    network.recompile()


def _as_module(network: fx.GraphModule, node: fx.Node) -> None:
    """Replace a function of an input and parameters by a module; leave others."""
    kind, names = _FUNCTIONS[node.target]
    given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | node.kwargs
    x, source, offset = (given.pop(key, None) for key in ("input", "weight", "bias"))
    weight, bias = _parameter(network, source), _parameter(network, offset)
    computed = weight is None or (offset is not None and bias is None)
    if (
        not isinstance(x, fx.Node)
        or computed
        or node.all_input_nodes != [each for each in (x, source, offset) if each is not None]
    ):
        return
    assert weight is not None and isinstance(source, fx.Node)
    outputs, inputs = weight.shape[:2]
    if kind is nn.Linear:
        module: nn.Module = nn.Linear(inputs, outputs, bias is not None)
    else:
        groups, size = int(given.pop("groups", 1)), tuple(weight.shape[2:])
        module = kind(inputs * groups, outputs, size, groups=groups, bias=bias is not None, **given)
    module.weight = weight
    if bias is not None:
        module.bias = bias
    name = _added(network, f"{source.target}_{kind.__name__.lower()}", module)
    with network.graph.inserting_before(node):
        call = network.graph.call_module(name, (x,))
    node.replace_all_uses_with(call)
    network.graph.erase_node(node)


def _parameter(network: fx.GraphModule, given: Any) -> nn.Parameter | None:
    """Return the parameter that an argument is; None for anything else."""
    if not isinstance(given, fx.Node) or given.op != "get_attr":
        return None
    place, _, name = str(given.target).rpartition(".")
    found = getattr(network.get_submodule(place), name)
    if isinstance(found, nn.Parameter):
        return found
    return nn.Parameter(found, requires_grad=False) if isinstance(found, torch.Tensor) else None


def _added(network: fx.GraphModule, name: str, module: nn.Module) -> str:
    """Add a module by a name that is free; return it."""
    held = {each for each, _ in network.named_modules()} | {
        each for each, _ in network.named_parameters()
    }
    number, free = 1, name
    while free in held:
        number += 1
        free = f"{name}_{number}"
    network.add_submodule(free, module)
    return free


def find_ends(network: fx.GraphModule) -> tuple[list[str], list[str]]:
    """Return the first layers, which no other one is in front of, and the last, which none is
    behind: of several branches or heads one each.

    Args:
        network: what `separate_layers` made.
    """
    nodes = [node for node in network.graph.nodes if node.op != "output"]
    layers = {node for node in nodes if _layer(network, node) is not None}
    behind, before = set[fx.Node](), set[fx.Node]()  # what depends on a layer, what a layer needs
    for node in nodes:
        if any(each in layers or each in behind for each in node.all_input_nodes):
            behind.add(node)
    for node in reversed(nodes):
        if any(each in layers or each in before for each in node.users):
            before.add(node)
    first = [str(node.target) for node in nodes if node in layers - behind]
    return first, [str(node.target) for node in nodes if node in layers - before]


def layer_kinds(network: fx.GraphModule) -> dict[str, str]:
    """Return the class of each layer by its name, in the order of execution."""
    layers = [(str(node.target), _layer(network, node)) for node in network.graph.nodes]
    return {name: type(layer).__name__ for name, layer in layers if layer is not None}


def _layer(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    if node.op != "call_module":
        return None
    module = network.get_submodule(str(node.target))
    return module if isinstance(module, LAYERS) else None


def other_products(network: fx.GraphModule) -> list[tuple[str, str, str]]:
    """Return name, kind and reason of each product or convolution that has no low-bit form."""
    found = []
    for node in network.graph.nodes:
        if node.op == "call_module":
            module = network.get_submodule(str(node.target))
            weight = getattr(module, "weight", None)
            if not isinstance(module, LAYERS) and getattr(weight, "ndim", 0) > 1:
                kind = type(module).__name__
                found.append((str(node.target), kind, f"{kind} has no low-bit form"))
        elif node.op in ("call_function", "call_method"):
            kind = getattr(node.target, "__name__", str(node.target))
            if kind in _PRODUCTS:
                reason = "a function, and none of its factors is a parameter"
                found.append((str(node.name), kind, reason))
    return found
