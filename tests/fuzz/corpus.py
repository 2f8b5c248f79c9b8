"""The files to damage: the zoo, the models that other tests load, random and known networks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import onnx

from n2uqc.models import shipped

from .draw.network import random_network
from .known import KNOWN

ROOT = Path(__file__).parents[2]
MOST = 60_000
"""Most bytes of a model of the tests; larger ones would be slow."""

_DRAWN = 150
_TESTS = "tests/frontend"
_SLOW = "not export and not published and not precision and not half and not torch and not resnet"


@cache
def models(folder: Path | None = None) -> tuple[bytes, ...]:
    """Return the models, sorted; each at most once.

    Args:
        folder: where those of the tests were harvested to, if they were.
    """
    found = [random_network(f"corpus {k}").SerializeToString() for k in range(_DRAWN)]
    found += [make().SerializeToString() for make in KNOWN]
    if folder is not None:
        found += [path.read_bytes() for path in folder.glob("*.onnx")]
    small = {hashlib.sha256(m).hexdigest(): m for m in found if len(m) <= MOST}
    return tuple(small[key] for key in sorted(small))


@cache
def zoo() -> tuple[bytes, ...]:
    """Return the shipped networks, which are drawn rarely
    because they are larger than the others.
    """
    names = ("digits_2bit", "digits_3bit", "digits_4bit", "digits_float")
    return tuple(shipped.path(name).read_bytes() for name in names)


def parsed(content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.ParseFromString(content)
    return model


def harvest(folder: Path) -> int:
    """Run the frontend's quicker tests, and keep every model that they load.

    Args:
        folder: models go there, named by their hash; one that is there with the mark of a
            whole harvest is taken as it is.

    Returns:
        how many models are there.
    """
    mark = folder / "complete"
    if not mark.exists():
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "N2UQC_HARVEST": str(folder), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "tests.fuzz.harvest", _TESTS]
        done = subprocess.run(
            [*command, "-k", _SLOW, "-p", "no:cacheprovider"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode not in (0, 1):  # failing tests do not matter here
            raise RuntimeError(f"the tests that give the corpus do not run:\n{done.stdout[-3000:]}")
        mark.touch()
    return len(list(folder.glob("*.onnx")))
