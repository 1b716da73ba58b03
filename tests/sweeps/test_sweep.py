"""Runs on processes: each answers once, whatever happens to it or around it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import robustlib as rl
from robustlib.numerics import budget
from robustlib.sweeps import engines

SHARED = torch.zeros(())
# Where a process ends, others start, which is what costs here.
ENDING, ONCE = ["slow", "dies"], [1, 2] if budget() == "gpu" else [1]


def odd(kind: str, n: int) -> object:
    """A function that does everything that functions do."""
    if kind == "raises":
        raise KeyError("two\nlines")
    if kind == "nan":
        return {"x": [1.0, float("nan")]}
    if kind == "slow":
        time.sleep(60)
    if kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "leaves":
        print("to standard output")
        sys.exit(3)
    if kind == "writes":
        return SHARED.add_(1)
    if kind == "draws":
        return torch.rand((), dtype=torch.float64)
    if kind == "threads":
        return {"torch": torch.get_num_threads(), "set": os.environ["MKL_NUM_THREADS"]}
    if kind == "names":
        return {"kind": 1}
    return n / 2


@pytest.fixture(scope="module")
def runs() -> rl.Sweep:
    kinds = ["raises", "nan", "leaves", "writes", "draws", "threads", "names", "plain"]
    settings = [*rl.grid(kind=kinds, n=[1, 2]), *rl.grid(kind=ENDING, n=ONCE)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MKL_NUM_THREADS", "1")
        return rl.sweep(odd, settings, workers=2, seconds=6, threads=2, progress=False)


@pytest.mark.parametrize(
    ("kind", "state", "result", "words"),
    [
        ("raises", "raised", None, r"KeyError: 'two\nlines'"),
        ("nan", "nan", None, "its x held NaN"),
        ("slow", "slow", None, "its process was ended after its limit of 6 s"),
        ("dies", "died", None, "its process died 2 times, the last time by signal SIGKILL"),
        ("leaves", "raised", None, "SystemExit: 3"),
        ("writes", "done", {"value": 1.0}, ""),
        ("threads", "done", {"torch": 2, "set": "2"}, ""),
        ("names", "raised", None, "the result has the name 'kind', which is taken"),
    ],
)
def test_whatever_a_run_does_it_is_a_row(
    runs: rl.Sweep, kind: str, state: str, result: object, words: str
) -> None:
    found = [run for run in runs.runs if run.setting["kind"] == kind]
    assert [run.state for run in found] == [state] * (len(ONCE) if kind in ENDING else 2)
    assert all(words.replace("\\n", "\n") in run.error.replace("\\n", "\n") for run in found)
    if state == "done":
        assert [run.result for run in found] == [result] * 2


def test_random_numbers_belong_to_the_setting_not_to_the_worker(runs: rl.Sweep) -> None:
    draws = {run.setting["n"]: run.result for run in runs.runs if run.setting["kind"] == "draws"}
    assert draws[1] != draws[2]
    again = rl.sweep(odd, rl.grid(n=[2, 1], kind=["draws"]), workers=1, progress=False)
    assert {run.setting["n"]: run.result for run in again.runs} == draws


def test_finished_runs_are_not_repeated_and_changed_settings_are_new(tmp_path: Path) -> None:
    log, store = tmp_path / "log", tmp_path / "runs.sqlite"

    def counted(n: float) -> float:
        with log.open("a") as file:
            file.write(f"{n:g}\n")
        if n == 3 and not (tmp_path / "mended").exists():
            raise ValueError("not yet")
        return n

    options: dict[str, Any] = {"store": store, "workers": 1, "progress": False, "name": "counts"}
    first = rl.sweep(counted, rl.grid(n=[1, 2, 3]), **options)
    assert repr(first) == "Sweep 'counts' of 3 settings: 2 done, 1 raised an error."
    second = rl.sweep(counted, rl.grid(n=[4, 2.0, 1, 3, 4]), **options)
    assert [run.setting["n"] for run in second.runs] == [4, 2, 1, 3]
    assert log.read_text().split() == ["1", "2", "3", "4"]
    (tmp_path / "mended").touch()
    third = rl.sweep(counted, rl.grid(n=[1, 3]), again=True, **options)
    assert third.column("value") == [1, 3]
    assert log.read_text().split() == ["1", "2", "3", "4", "3"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"function": 3}, TypeError, "function must be a function, got int"),
        ({"settings": []}, ValueError, "settings must hold at least one"),
        ({"workers": 0}, ValueError, "workers must be"),
        ({"seconds": -1.0}, ValueError, "seconds must be"),
        ({"threads": 1.5}, TypeError, "threads must be"),
        ({"store": 3}, TypeError, "store must be the path of a file, got 3"),
        ({"store": "/"}, ValueError, "store must be the path of a file, got '/', which is none"),
        ({"store": "no/runs"}, ValueError, "store must be in a directory that exists"),
        ({"name": ""}, ValueError, "name must be a text, got ''"),
        (
            {"cluster": "tcp://127.0.0.1:9"},
            ValueError,
            "cluster 'tcp://127.0.0.1:9' cannot be reached",
        ),
        ({"cluster": "nonsense"}, ValueError, "cluster 'nonsense' cannot be reached"),
    ],
)
def test_wrong_calls(
    change: dict[str, object], error: type, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "WAIT", "1s")
    call: dict[str, object] = {"function": odd, "settings": rl.grid(kind=["plain"], n=[1])}
    with pytest.raises(error, match=words):
        rl.sweep(**(call | {"progress": False} | change))


def test_a_function_that_holds_a_lock_cannot_be_sent() -> None:
    lock = threading.Lock()

    def locked(n: int) -> int:
        with lock:
            return n

    with pytest.raises(TypeError, match=r"function .*locked cannot be sent .* build what it needs"):
        rl.sweep(locked, rl.grid(n=[1]), progress=False)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"on a cluster needs distributed, .* pip install"):
        rl.sweep(odd, rl.grid(kind=["plain"], n=[1]), cluster="tcp://127.0.0.1:9", progress=False)


@contextlib.contextmanager
def nobody(folder: Path) -> Iterator[tuple[list[str], Callable[[int], list[int]]]]:
    """joblib: the workers are those of the driver's children that are no tracker of resources."""

    def workers(driver: int) -> list[int]:
        children = psutil.Process(driver).children()
        return [child.pid for child in children if "popen_loky" in " ".join(child.cmdline())]

    yield [], workers


@contextlib.contextmanager
def dask(folder: Path) -> Iterator[tuple[list[str], Callable[[int], list[int]]]]:
    """A scheduler and two worker processes with their nannies, as on a cluster."""
    distributed, settings = pytest.importorskip("distributed"), pytest.importorskip("dask").config
    # A LocalCluster looks once, by default 15 s after a death: a worker that is not back at that
    # moment, since it was killed again, is given up for good, its nanny too.
    patient = settings.set({"distributed.deploy.lost-worker-timeout": "1h"})
    with (
        patient,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=str(folder)
        ) as cluster,
    ):

        def workers(driver: int) -> list[int]:
            return [nanny.pid for nanny in cluster.workers.values() if nanny.pid]

        yield [cluster.scheduler_address], workers


@pytest.mark.parametrize("engine", [nobody, dask])
def test_kills_lose_nothing_and_count_nothing_twice(
    tmp_path: Path, engine: Callable[..., contextlib.AbstractContextManager[object]]
) -> None:
    """200 runs, 20 killed workers and 5 killed drivers by ROBUSTLIB_BUDGET=gpu, fewer else.

    The deaths are spread over the runs: each waits until its share of them is finished.
    """
    total, kills, stops = (200, 20, 5) if budget() == "gpu" else (24, 1, 1)
    store = tmp_path / "runs.sqlite"
    draw = random.Random(0)
    with engine(tmp_path) as (where, workers):
        driver_of = str(Path(__file__).with_name("driver.py"))
        command = [sys.executable, driver_of, str(store), str(total), *where]
        deaths = ["worker"] * kills + ["driver"] * stops
        draw.shuffle(deaths)
        driver = subprocess.Popen(command)
        for number, death in enumerate(deaths, 1):
            wait_for(number * total // (len(deaths) + 3), store, driver)
            time.sleep(draw.random() / 10)
            if death == "driver":
                driver.kill()
                driver.wait()
                driver = subprocess.Popen(command)
            else:
                kill_one(partial(workers, driver.pid), driver, draw)
        assert driver.wait(300) == 0
    rows = rows_of(store)
    expected = [(f'{{"n": {n}}}', f'{{"half": {n / 2}}}') for n in range(total)]
    assert sorted(rows) == sorted(expected)


def kill_one(
    workers: Callable[[], list[int]], driver: subprocess.Popen[bytes], draw: random.Random
) -> None:
    """One worker, however long it takes until there is one again."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert driver.poll() is None, "it came to its end before all were killed"
        with contextlib.suppress(ProcessLookupError, psutil.Error):  # gone, or a zombie
            if found := workers():
                os.kill(draw.choice(found), signal.SIGKILL)
                return
        time.sleep(0.02)
    raise AssertionError("no worker came back")


def rows_of(store: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(store)) as database:
        return database.execute("SELECT setting, result FROM runs WHERE state = 'done'").fetchall()


def finished(store: Path) -> int:
    with contextlib.suppress(sqlite3.OperationalError):
        return len(rows_of(store)) if store.exists() else 0
    return 0


def wait_for(runs: int, store: Path, driver: subprocess.Popen[bytes]) -> None:
    """Until so many are finished; two minutes without another one are a fault."""
    seen, end = finished(store), time.monotonic() + 120
    while (now := finished(store)) < runs:
        assert driver.poll() is None, "it came to its end before all were killed"
        if now > seen:
            seen, end = now, time.monotonic() + 120
        assert time.monotonic() < end, f"nothing came after {seen} of {runs} runs"
        time.sleep(0.02)
