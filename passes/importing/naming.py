"""Readable tensor names from the scoped node names that PyTorch's exporters write."""

from __future__ import annotations

from collections import Counter

import onnx_ir as ir

_DEEPEST = 50  # modules inside each other


def _scope(name: str) -> tuple[str, ...]:
    """``/layer1/layer1.0/conv1/Conv`` as (layer1.0, conv1, Conv)."""
    parts = [p for p in name.split("/") if p][-_DEEPEST:]
    return tuple(
        p for p, after in zip(parts, [*parts[1:], ""], strict=True) if not after.startswith(p + ".")
    )


def readable_names(nodes: list[ir.Node]) -> dict[ir.Node, str]:
    """A name for each node: its module's, where the module holds just this one node.

    ``/layer1/layer1.0/bn1/BatchNormalization`` becomes ``layer1.0.bn1``; an addition written
    directly in a block's forward stays ``layer1.0.Add``.
    """
    paths = {n: _scope(n.name or "") or ((n.outputs[0].name or n.op_type),) for n in nodes}
    inside: Counter[tuple[str, ...]] = Counter()
    for path in paths.values():
        inside.update(path[:depth] for depth in range(1, len(path)))
    return {
        node: ".".join(path[:-1] if len(path) > 1 and inside[path[:-1]] == 1 else path)
        for node, path in paths.items()
    }
