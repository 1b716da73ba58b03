"""What is finished stays finished, and a file of something else stays as it is."""

from __future__ import annotations

import sqlite3
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from robustlib.sweeps.store import Run, Store, Sweep

DONE = Run({"a": 1}, "done", {"x": 2.5}, "", 0.1)
SLOW = Run({"a": 2}, "slow", None, "too long", 9.0)


def test_runs_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite", "f")
    store.add("1", DONE)
    store.add("2", SLOW)
    store.close()
    store = Store(tmp_path / "runs.sqlite", "f")
    assert store.finished(failed=True) == {"1": DONE, "2": SLOW}
    assert store.finished(failed=False) == {"1": DONE}
    store.close()


def test_a_failed_run_may_be_replaced_a_done_one_may_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite", "f")
    store.add("1", DONE)
    store.add("2", SLOW)
    store.add("1", Run({"a": 1}, "raised", None, "late", 1.0))
    better = Run({"a": 2}, "done", {"x": 0.0}, "", 1.0)
    store.add("2", better)
    assert store.finished(failed=True) == {"1": DONE, "2": better}
    store.close()


def test_a_full_disk_is_one_sentence_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    store = Store(path, "f")
    store.add("1", DONE)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says that the disk is full
    big = Run({"a": 3}, "done", {"x": "y" * 100_000}, "", 0.1)
    with pytest.raises(OSError, match=r"cannot be written: .*full; its 1 runs are kept"):
        store.add("3", big)
    store.close()
    store = Store(path, "f")
    assert store.finished(failed=True) == {"1": DONE}
    store.add("3", big)
    assert store.finished(failed=True)["3"] == big
    store.close()


def test_files_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], sqlite3.connect

    def connected(path: Path, **options: Any) -> sqlite3.Connection:
        opened.append(connect(path, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    text, other, sweep = (tmp_path / name for name in ("text", "other", "sweep"))
    text.write_text("something else " * 100)
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE cheese (name TEXT)")
    database.close()
    Store(sweep, "f").close()
    before = {path: path.read_bytes() for path in (text, other, sweep)}
    for path, words in (
        (text, "is no store of runs: file is not a database"),
        (other, r"is a database of something else \(tables cheese\); it is left as it is"),
        (sweep, "holds the sweep 'f' .* not 'g' .* it is left as it is"),
    ):
        with pytest.raises(ValueError, match=words):
            Store(path, "g")
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            opened[-1].execute("SELECT 1")  # Python 3.13 warns of one that is left open
    assert before == {path: path.read_bytes() for path in (text, other, sweep)}


def test_the_table_of_a_sweep() -> None:
    sweep = Sweep("f", (DONE, SLOW))
    assert repr(sweep) == "Sweep 'f' of 2 settings: 1 done, 1 too slow."
    assert sweep.column("a") == [1, 2]
    assert sweep.column("x") == [2.5, None]
    runs = tuple(Run({"a": 1}, state, None, "", 0.1) for state in ("raised", "nan", "died", "done"))
    assert Sweep("f", runs).failed == runs[:-1]
    assert sweep.failed == (SLOW,)
    with pytest.raises(FrozenInstanceError):
        DONE.state = "slow"  # type: ignore[misc]
    assert sweep.rows[0] == {"a": 1, "x": 2.5, "state": "done", "error": "", "seconds": 0.1}
    with pytest.raises(ValueError, match="name must be one of"):
        sweep.column("b")
