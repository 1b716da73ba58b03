"""The finished runs of one sweep in one SQLite file, written by the driver alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checks import check_choice
from .settings import Setting

# What became of a run: it returned; raised; returned NaN; met its limit; its process died.
STATES = ("done", "raised", "nan", "slow", "died")
_FORMAT = "1"


@dataclass(frozen=True)
class Run:
    """One finished run: ``result`` is a dict of plain data, None unless ``state`` is done or nan.

    ``error`` is one sentence, empty where it is done; ``seconds`` of wall time.
    """

    setting: Setting
    state: str
    result: dict[str, Any] | None
    error: str
    seconds: float

    @property
    def row(self) -> dict[str, Any]:
        """Settings and results in one dict, with ``state``, ``error`` and ``seconds``."""
        ends = {"state": self.state, "error": self.error, "seconds": self.seconds}
        return self.setting | (self.result or {}) | ends


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """The runs of a sweep in the order of their settings; those that failed are among them."""

    name: str
    runs: tuple[Run, ...] = field(repr=False)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dict a run, as a data frame takes them: settings, results, state, error, seconds."""
        return [run.row for run in self.runs]

    @property
    def failed(self) -> tuple[Run, ...]:
        """The runs that gave no result."""
        return tuple(run for run in self.runs if run.state != "done")

    def column(self, name: str) -> list[Any]:
        """One entry a run, None where the run has none. Raises ``ValueError`` for no such name."""
        rows = self.rows
        known = list(dict.fromkeys(key for row in rows for key in row))
        check_choice("name", name, known)
        return [row.get(name) for row in rows]

    def __repr__(self) -> str:
        words = {
            "done": "done",
            "raised": "raised an error",
            "nan": "gave NaN",
            "slow": "too slow",
            "died": "died",
        }
        count = {state: sum(run.state == state for run in self.runs) for state in STATES}
        parts = [f"{n} {words[state]}" for state, n in count.items() if n or state == "done"]
        return f"Sweep {self.name!r} of {len(self.runs)} settings: {', '.join(parts)}."


class Store:
    """Finished runs by key, each written whole, in a transaction of its own."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
            try:
                self._open(name)
            except BaseException:
                self.close()
                raise
        except sqlite3.OperationalError as error:  # a folder or a file that is read-only, say
            raise OSError(f"store {str(path)!r} cannot be written: {error}") from None
        except sqlite3.DatabaseError as error:
            raise ValueError(f"store {str(path)!r} is no store of runs: {error}") from None

    def _open(self, name: str) -> None:
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master")}
        if tables and "sweep" not in tables:
            raise ValueError(
                f"store {str(self._path)!r} is a database of something else (tables "
                f"{', '.join(sorted(tables))}); it is left as it is"
            )
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("CREATE TABLE IF NOT EXISTS sweep (format TEXT, name TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, setting TEXT, state TEXT, "
            "result TEXT, error TEXT, seconds REAL)"
        )
        known = self._db.execute("SELECT format, name FROM sweep").fetchone()
        if known is None:
            self._db.execute("INSERT INTO sweep VALUES (?, ?)", (_FORMAT, name))
        self._db.execute("COMMIT")
        if known is not None and known != (_FORMAT, name):
            raise ValueError(
                f"store {str(self._path)!r} holds the sweep {known[1]!r} (format {known[0]}), not "
                f"{name!r} (format {_FORMAT}); it is left as it is"
            )

    def finished(self, *, failed: bool) -> dict[str, Run]:
        """The runs by key; without those that ``failed`` unless asked for."""
        rows = self._db.execute("SELECT key, setting, state, result, error, seconds FROM runs")
        found = {
            key: Run(json.loads(setting), state, json.loads(result), error, seconds)
            for key, setting, state, result, error, seconds in rows
        }
        return {key: run for key, run in found.items() if failed or run.state == "done"}

    def add(self, key: str, run: Run) -> None:
        """Keep a run; one that is there already and done stays as it is.

        Raises ``OSError`` in one sentence where it cannot be written, say on a full disk.
        """
        values: Sequence[object] = (
            key,
            json.dumps(run.setting),
            run.state,
            json.dumps(run.result),
            run.error,
            run.seconds,
        )
        try:
            self._db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "state = excluded.state, result = excluded.result, error = excluded.error, "
                "seconds = excluded.seconds WHERE runs.state != 'done'",
                values,
            )
        except sqlite3.OperationalError as error:
            (stored,) = self._db.execute("SELECT count(*) FROM runs").fetchone()
            raise OSError(
                f"store {str(self._path)!r} cannot be written: {error}; its {stored} runs are "
                "kept, and the same call goes on from them"
            ) from None

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
