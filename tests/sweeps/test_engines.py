"""Engines that lose their workers, and what a driver shows: with workers that only pretend."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from joblib.externals.loky.process_executor import BrokenProcessPool

import robustlib as rl
from robustlib.sweeps import engines
from robustlib.sweeps.engines import EngineError, on_cluster, on_this_machine

JOBS = [(f"key {n}", {"n": n}) for n in range(12)]


class Joblib:
    """Answers as many jobs as each round allows, then loses its workers; None is no loss."""

    def __init__(self, rounds: list[int | None]) -> None:
        self.rounds, self.asked = rounds, 0

    def Parallel(self, **options: object) -> Joblib:
        assert self.asked < len(self.rounds), "it goes on for ever"
        return self

    def delayed(self, function: Any) -> Any:
        return lambda job, *rest: job

    def __call__(self, jobs: list[Any]) -> Iterator[Any]:
        many = self.rounds[self.asked]
        self.asked += 1
        for key, setting in jobs[:many]:
            yield key, setting["n"]
        if many is not None:
            raise BrokenProcessPool("a worker is gone")


def local(monkeypatch: pytest.MonkeyPatch, rounds: list[int | None]) -> dict[str, Any]:
    monkeypatch.setattr(engines, "needed", lambda *names: Joblib(rounds))
    return dict(on_this_machine(JOBS, b"", workers=2, seconds=None, threads=1))


def test_what_lost_workers_leave_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times nothing comes; then something, and the count begins anew."""
    rounds = [0, 0, 0, 0, 3, 0, 0, 0, 0, None]
    assert local(monkeypatch, rounds) == {key: setting["n"] for key, setting in JOBS}


def test_workers_that_only_die_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="workers die before they answer: a worker is gone"):
        local(monkeypatch, [3, 0, 0, 0, 0, 0])
    with pytest.raises(AssertionError, match="for ever"):
        local(monkeypatch, [3, 0, 0, 0, 0])


def test_a_worker_ends_with_its_driver_and_a_driver_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched: list[None] = []
    monkeypatch.setattr(engines, "die_with_parent", lambda: watched.append(None))
    monkeypatch.setattr(engines, "run_alone", lambda *call: call[1])
    here = os.getpid()
    for driver, count in ((here, 0), (here - 1, 1), (here + 1, 2)):
        assert engines._on_worker(JOBS[3], b"", None, 1, driver) == JOBS[3]
        assert len(watched) == count


MASKS = """
import signal
from joblib import Parallel, delayed
from robustlib.sweeps.engines import _dispatched
ask = delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, [])
parallel = Parallel(n_jobs=2, return_as="generator_unordered")
print(all(signal.SIGINT in mask for mask in _dispatched(parallel, [ask] * 20)), ask[0](*ask[1]))
"""


def test_workers_never_hear_of_ctrl_c() -> None:
    """Asked in a new process, where no tracker runs that would be started beside the workers."""
    call = [sys.executable, "-c", MASKS]
    said = subprocess.run(call, capture_output=True, text=True, check=True)
    assert said.stdout == "True set()\n", said.stderr


# --- a cluster in this process -------------------------------------------------------------------

LOSSES: list[int] = []  # as many runs fail as there are entries


def pretended(
    function: bytes, setting: dict[str, Any], seconds: float | None, threads: int
) -> dict[str, Any]:
    if LOSSES:
        LOSSES.pop()
        raise RuntimeError("lost")
    return {"state": "done", "result": setting, "error": "", "seconds": 0.0}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as found:
        yield found


def test_a_cluster_answers_all_however_many_its_workers_take(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses are counted without an answer between: ten of room for two are borne, eleven not."""
    monkeypatch.setattr(engines, "run_alone", pretended)
    for losses in (0, 1, 10):
        LOSSES.extend(range(losses))
        found = dict(on_cluster(JOBS, b"", cluster=cluster, seconds=None, threads=1))
        assert {key: answer["result"] for key, answer in found.items()} == dict(JOBS)
    LOSSES.extend(range(99))
    with pytest.raises(EngineError, match="the cluster loses its workers: lost"):
        dict(on_cluster(JOBS, b"", cluster=cluster, seconds=None, threads=1))
    LOSSES.clear()


# --- what a driver shows -------------------------------------------------------------------------


def test_a_bar_is_shown_unless_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(jobs: list[Any], *rest: object, **options: object) -> Iterator[Any]:
        for key, setting in jobs:
            yield key, pretended(b"", setting, None, 1)

    driver = importlib.import_module("robustlib.sweeps.sweep")
    monkeypatch.setattr(driver, "on_this_machine", answers)
    found = rl.sweep(len, rl.grid(n=[1, 2]))
    assert found.column("n") == [1, 2]
    assert "2/2" in capsys.readouterr().err
    rl.sweep(len, rl.grid(n=[1, 2]), progress=False)
    assert capsys.readouterr().err == ""
