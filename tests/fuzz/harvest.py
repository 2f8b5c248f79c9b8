"""A plugin of pytest: every model that a test loads is kept in $N2UQC_HARVEST."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from n2uqc.frontend import load

from .corpus import MOST

_read = load.read_model


def _kept(source: Any) -> Any:
    model = _read(source)
    content = model.SerializeToString()
    if len(content) <= MOST:
        name = hashlib.sha256(content).hexdigest()[:20]
        Path(os.environ["N2UQC_HARVEST"], f"{name}.onnx").write_bytes(content)
    return model


load.read_model = _kept
