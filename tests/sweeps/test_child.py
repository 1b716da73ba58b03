"""The process of a run, from both ends: what it answers, when it ends, and what it is asked."""

from __future__ import annotations

import importlib
import math
import os
import pickle
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robustlib.numerics import steady
from robustlib.sweeps import isolated
from robustlib.sweeps.child import answer_on
from robustlib.sweeps.isolated import die_with_parent, release, run_alone
from robustlib.sweeps.sweep import pickled

# --- its own end, in this process ---------------------------------------------------------------


def answers(*asked: tuple[object, dict[str, Any]]) -> list[dict[str, Any]]:
    """What comes back for functions (None for the one before) and settings, one after another."""
    ours, theirs = Pipe()
    ours.send([])
    for function, setting in asked:
        ours.send((None if function is None else pickled(function), setting))
    path = list(sys.path)
    with steady(), suppress(EOFError):
        thread = threading.Thread(target=answer_quietly, args=(theirs,), daemon=True)
        thread.start()
        assert ours.recv() == "ready"
        found = [pickle.loads(ours.recv_bytes()) for _ in asked]
    ours.close()
    thread.join(10)
    sys.path[:] = path
    return found


def answer_quietly(line: Any) -> None:
    with suppress(EOFError, OSError):
        answer_on(line)


def double(n: float) -> float:
    return 2 * n


def three_draws(n: int) -> list[float]:
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002


def test_answers_are_plain_and_say_what_became_of_the_run() -> None:
    def raises(n: int) -> None:
        raise KeyError(f"no\n{n}")

    def named(n: int, by: str, value: object) -> dict[str, object]:
        return {by: value}

    nan = math.nan
    found = answers(
        (double, {"n": 3}),
        (None, {"n": 4.5}),
        (raises, {"n": 1}),
        (named, {"n": 1, "by": "x", "value": [1, {"y": [0.5, nan]}]}),
        (named, {"n": 1, "by": "x", "value": [1, {"y": [0.5, 2]}]}),
        (named, {"n": 1, "by": "n", "value": 2}),
        (named, {"n": 1, "by": "seconds", "value": 2}),
    )
    states = [(f["state"], f["result"], f["error"]) for f in found]
    assert states[0] == ("done", {"value": 6}, "")
    assert states[1] == ("done", {"value": 9.0}, "")
    assert states[2] == ("raised", None, "KeyError: 'no\\n1'")
    assert states[3][0::2] == ("nan", "its x held NaN")
    assert states[4] == ("done", {"x": [1, {"y": [0.5, 2]}]}, "")
    for state, name in zip(states[5:], ("n", "seconds"), strict=True):
        words = f"ValueError: the result has the name {name!r}, which is taken"
        assert state == ("raised", None, words)
    assert all(f["seconds"] >= 0 for f in found)


def test_draws_depend_on_the_setting_in_all_three_libraries() -> None:
    """Of 20 settings no two have a draw in common; the order does not matter."""
    settings = [{"n": n} for n in range(20)]
    found = answers(*((three_draws, setting) for setting in settings))
    again = answers(*((three_draws, setting) for setting in reversed(settings)))
    draws = [f["result"]["value"] for f in found]
    assert draws == [f["result"]["value"] for f in reversed(again)]
    for library in zip(*draws, strict=True):
        assert len(set(library)) == len(settings)


# --- the other end ------------------------------------------------------------------------------


@pytest.fixture
def alone() -> Iterator[None]:
    yield
    release()


def where(n: int) -> list[object]:
    return [os.getpid(), os.environ["MKL_NUM_THREADS"], n]


def ends(log: str) -> None:
    with open(log, "a") as file:
        file.write("x")
    os._exit(3)


def test_one_process_serves_many_runs_and_two_may_die_over_one(alone: None, tmp_path: Path) -> None:
    one, two = pickled(where), pickled(double)

    def value(function: bytes, threads: int = 1) -> Any:
        return run_alone(function, {"n": 5}, None, threads)["result"]["value"]

    first = value(one)
    assert first[1:] == ["1", 5]
    assert first[0] != os.getpid()
    # two functions in turn: each is the one that was asked for
    assert [value(f) for f in (two, one, two, two, one)] == [10, first, 10, 10, first]
    # another number of threads is another process, and the first is gone
    other = value(one, threads=2)
    assert other[1] == "2"
    assert other[0] != first[0]
    with pytest.raises(ProcessLookupError):
        os.kill(first[0], 0)
    log = tmp_path / "log"
    found = run_alone(pickled(ends), {"log": str(log)}, None, 2)
    words = "its process died 2 times, the last time with exit status 3"
    assert (found["state"], found["result"], found["error"]) == ("died", None, words)
    assert log.read_text() == "xx"


def test_a_child_ends_with_its_parent_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    class Recorded:
        def __init__(self, target: Any, daemon: bool) -> None:
            self.start = lambda: started.append(target)

    parents = iter([7, 7, 7, 1])
    monkeypatch.setattr(die_with_parent, "watched", False, raising=False)
    monkeypatch.setattr(isolated.threading, "Thread", Recorded)
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    for _ in range(3):  # it watches once, however often it is told to
        die_with_parent()
    assert len(started) == 1
    slept: list[float] = []
    monkeypatch.setattr(isolated.time, "sleep", slept.append)

    def exit_(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", exit_)
    with pytest.raises(SystemExit):
        started[0]()
    assert len(slept) == 2


# --- what is sent -------------------------------------------------------------------------------


def test_a_function_is_sent_whole_where_its_module_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_rule.py").write_text("FACTOR = 3\ndef rule(n):\n    return FACTOR * n\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    data = pickled(importlib.import_module("own_rule").rule)
    monkeypatch.delitem(sys.modules, "own_rule")
    (tmp_path / "own_rule.py").unlink()
    importlib.invalidate_caches()
    assert pickle.loads(data)(n=2) == 6
    # ours and Python's own are found by their names
    for installed in (run_alone, os.path.join):
        assert pickle.loads(pickled(installed)) is installed
