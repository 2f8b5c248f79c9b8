"""``-`` as the name of a file: standard input, standard output.

Standard input is kept in a file while the command runs, because models are read more than once.
What the command prints goes to standard error while standard output takes a file.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from n2uqc.api.errors import UserError

from .files import WRITTEN

_DASH = Path("-")
_STDOUT = Path("/dev/stdout")


@contextmanager
def standard_streams(options: argparse.Namespace) -> Iterator[None]:
    """Put files in the place of each ``-`` among the paths of a command during the context.

    Raises:
        UserError: two inputs or two results for one stream.
    """
    taken = [name for name, value in vars(options).items() if value == _DASH]
    written = [name for name in taken if name in WRITTEN]
    models: list[Any] = getattr(options, "models", [])
    read = [name for name in taken if name not in WRITTEN]
    if len(read) + models.count(_DASH) > 1:
        raise UserError("- is standard input, which can be read once; name files for the others")
    if len(written) + bool(written and getattr(options, "json", False)) > 1:
        raise UserError("two results go to standard output; name files for the others")
    if written and not _STDOUT.exists():
        raise UserError("- is standard output by the name /dev/stdout, which is not there")
    for name in written:
        setattr(options, name, _STDOUT)
    with (
        tempfile.TemporaryDirectory(prefix="n2uqc-") as folder,
        redirect_stdout(sys.stderr) if written else nullcontext(),
    ):
        if read or _DASH in models:
            if sys.stdin is None:
                raise UserError("- is standard input, which is closed; name a file")
            path = Path(folder, "stdin")
            with open(path, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            for name in read:
                setattr(options, name, path)
            if _DASH in models:
                options.models = [path if model == _DASH else model for model in models]
        yield
