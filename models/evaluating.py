"""Networks in evaluation mode for a while, watched by hooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.utils.hooks import RemovableHandle


@contextmanager
def evaluating(network: nn.Module, hooks: Iterable[RemovableHandle] = ()) -> Iterator[None]:
    """Hold a network in evaluation mode; then remove hooks, and leave its mode as it was.

    Args:
        network: The network.
        hooks: Hooks of its modules, already registered.
    """
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
