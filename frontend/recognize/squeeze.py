"""`Squeeze` without axes, refused: with a batch of 1 it would remove the batch axis too."""

from __future__ import annotations

import onnx_ir as ir

from .pattern import Context, Pattern, Refused


def _check(node: ir.Node, context: Context) -> None:
    x = node.inputs[0] if node.inputs else None
    named = "axes" in node.attributes or (len(node.inputs) > 1 and node.inputs[1] is not None)
    if not named and context.dynamic and x is not None and not context.constants.known(x):
        raise Refused(
            "a Squeeze without axes, which removes the batch where it is 1",
            "axes that are named",
            "export with squeeze(dim), or flatten from axis 1",
            fatal=True,
        )


SQUEEZE = Pattern("squeeze", frozenset({"Squeeze"}), _check)
