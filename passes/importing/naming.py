"""Readable tensor names, from the scoped node names of PyTorch's exporters."""

from __future__ import annotations

from collections import Counter

import onnx_ir as ir

_DEEPEST = 50  # most nested modules


def _scope(name: str) -> tuple[str, ...]:
    """Return ``/layer1/layer1.0/conv1/Conv`` as (layer1.0, conv1, Conv)."""
    parts = [p for p in name.split("/") if p][-_DEEPEST:]
    return tuple(
        p for p, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(p + ".")
    )


def readable_names(nodes: list[ir.Node]) -> dict[ir.Node, str]:
    """Return a name for each node: that of its module, if the module has only this node.

    ``/layer1/layer1.0/bn1/BatchNormalization`` becomes ``layer1.0.bn1``; an addition written
    directly in a block's forward becomes ``layer1.0.Add``.
    """
    paths = {n: _scope(n.name or "") or ((n.outputs[0].name or n.op_type),) for n in nodes}
    inside: Counter[tuple[str, ...]] = Counter()
    for path in paths.values():
        inside.update(path[:depth] for depth in range(1, len(path)))
    return {
        node: ".".join(path[:-1] if len(path) > 1 and inside[path[:-1]] == 1 else path)
        for node, path in paths.items()
    }
