"""The store of a sweep: one SQLite file of points, done or failed, and trained networks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2uqc.frontend.diagnostics import cut
from n2uqc.frontend.escape import plain

from ..errors import UserError
from .identity import json_values

FILE = "sweep.sqlite"
"""Name of the store in the folder of a sweep."""

_APPLICATION = 0x6E327571  # "n2uq", in the file's header
_FORMAT = 1
_WAIT = 60  # seconds for another process that writes
_TABLES = """
CREATE TABLE IF NOT EXISTS points (
    key TEXT PRIMARY KEY,     -- SHA-256 of identity
    kind TEXT NOT NULL,       -- train, accuracy, cost, processor
    identity TEXT NOT NULL,   -- JSON: everything that decides the result
    result TEXT,              -- JSON; NULL: it failed
    message TEXT              -- of a failed point
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS networks (
    point TEXT PRIMARY KEY REFERENCES points,
    onnx BLOB NOT NULL
);
"""


@dataclass(frozen=True)
class Stored:
    """A point in the store.

    Attributes:
        result: its figures, as JSON values; None if it failed.
        message: why it failed.
    """

    result: dict[str, Any] | None
    message: str | None = None


class SweepStore:
    """A store, opened or made; a context that closes it.

    Args:
        path: the file.

    Raises:
        UserError: it is something else, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._base = sqlite3.connect(path, timeout=_WAIT)
            self._open()
        except sqlite3.Error as error:
            raise UserError(f"{plain(path)}: no store of a sweep: {plain(error)}") from error

    def _open(self) -> None:
        (application,) = self._base.execute("PRAGMA application_id").fetchone()
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        (tables,) = self._base.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            if (application, version) != (_APPLICATION, _FORMAT):
                raise sqlite3.DatabaseError(f"its marks are {application:#x}, {version}")
            return
        with self._base:
            self._base.executescript(_TABLES)
            self._base.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._base.execute(f"PRAGMA user_version = {_FORMAT}")

    def __enter__(self) -> SweepStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Turn errors of the file and of what it holds into one message."""
        try:
            yield
        except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f"{plain(self.path)}: the store cannot be used: {cut(plain(error))}; "
                "if its disk is not full, remove the file to begin the sweep anew"
            ) from error

    def get(self, key: str) -> Stored | None:
        """Return a point; None if it is not there."""
        with self._whole():
            row = self._base.execute(
                "SELECT result, message FROM points WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            result, message = row
            found = None if result is None else json.loads(result)
            if not (isinstance(found, dict) or (found is None and isinstance(message, str))):
                raise ValueError(f"the result of {key} is none")
            return Stored(found, message)

    def network(self, key: str) -> bytes | None:
        """Return the ONNX file of a training; None if it is not there."""
        with self._whole():
            row = self._base.execute("SELECT onnx FROM networks WHERE point = ?", (key,)).fetchone()
            return None if row is None else bytes(row[0])

    def put(
        self, key: str, kind: str, identity: Mapping[str, Any], found: Stored, network: bytes | None
    ) -> None:
        """Keep a point, with the network that it trained, in one transaction."""
        result = None if found.result is None else json_values(found.result)
        row = key, kind, json_values(identity), result, found.message
        with self._whole(), self._base:
            self._base.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", row)
            if network is not None:
                self._base.execute("INSERT OR REPLACE INTO networks VALUES (?, ?)", (key, network))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield all that the store holds, in the order of keys: points, then networks."""
        with self._whole():
            yield from self._base.execute("SELECT * FROM points ORDER BY key")
            yield from self._base.execute("SELECT * FROM networks ORDER BY point")
