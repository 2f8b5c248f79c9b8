"""One thread for torch: small tensors gain nothing from more, and test machines are shared."""

from __future__ import annotations

import contextlib

with contextlib.suppress(ModuleNotFoundError):
    import torch

    torch.set_num_threads(1)
