"""Grams whose blocks other processes compute: the bits of one process, whatever happens."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from robustlib.kernels import empirical_ntk, load_gram, ntk, store_gram
from robustlib.networks import TwoLayerNet
from robustlib.samples import sphere

distributed = pytest.importorskip("distributed")

X = sphere(50, 3).x
# A driver that a test may kill: python -c DRIVER FILE CLUSTER.
DRIVER = """
import sys, time
from robustlib.kernels import ntk, store_gram
from robustlib.samples import sphere
def slow(a, b):
    time.sleep(0.02)
    return ntk(a, b)
store_gram(sys.argv[1], slow, sphere(50, 3).x, block=4, cluster=sys.argv[2])
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A scheduler, and a worker in a process of its own."""
    folder = tmp_path_factory.mktemp("dask")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", local_directory=str(folder)
    ) as found:
        yield found


def odd(a: Tensor, b: Tensor | None, where: str = "") -> Tensor:
    """A kernel of this file, wrong in the block of the last points unless they are the first."""
    values: Tensor = a @ (a if b is None else b).T
    last = b is None and bool(torch.equal(a[-1], X[-1]))
    if last and where == "raises":
        raise KeyError("the kernel's own")
    return values / 0 if last and where == "is infinite" else values


def test_processes_of_this_machine_give_the_bits_of_one(tmp_path: Path) -> None:
    net = TwoLayerNet(3, 64).double()
    cases: list[tuple[Any, Tensor, Tensor | None]] = [
        (partial(ntk, depth=2, trained="hidden"), X, None),
        (partial(empirical_ntk, net), X[:9], X),
        (odd, X.float(), None),
    ]
    for number, (kernel, x, z) in enumerate(cases):
        here = store_gram(tmp_path / f"{number}.npy", kernel, x, z, block=8)
        there = store_gram(tmp_path / f"{number} too.npy", kernel, x, z, block=8, workers=2)
        assert torch.equal(here.values, there.values)
        assert there.path.read_bytes() == here.path.read_bytes()
        notes = [json.loads(at.path.with_suffix(".json").read_text()) for at in (here, there)]
        assert notes[0] == notes[1]


def test_two_drivers_on_one_cluster_get_their_own(tmp_path: Path, cluster: Any) -> None:
    kernels = {"one": partial(ntk, bias=False), "other": partial(ntk, bias=True)}

    def drive(name: str) -> None:
        store_gram(tmp_path / f"{name}.npy", kernels[name], X, block=8, cluster=cluster)

    threads = [threading.Thread(target=drive, args=(name,)) for name in kernels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, kernel in kernels.items():
        alone = store_gram(tmp_path / f"{name} alone.npy", kernel, X, block=8).values
        assert torch.equal(load_gram(tmp_path / f"{name}.npy").values, alone)


def test_a_killed_driver_is_followed_by_another(tmp_path: Path, cluster: Any) -> None:
    path = tmp_path / "k.npy"
    note = path.with_suffix(".json")
    command = [sys.executable, "-c", DRIVER, str(path), cluster.scheduler_address]
    with subprocess.Popen(command) as driver:
        end = time.monotonic() + 120
        while not note.exists() or not json.loads(note.read_text())["done"]:
            assert driver.poll() is None
            assert time.monotonic() < end, "nothing came"
            time.sleep(0.01)
        driver.send_signal(signal.SIGKILL)
    done = json.loads(note.read_text())["done"]
    assert 1 <= done < 13  # more blocks than are asked for at once
    first = path.with_name("k.npy.part").read_bytes()
    asked: list[int] = []

    def watched(a: Tensor, b: Tensor | None) -> Tensor:
        asked.append(len(a))
        return ntk(a, b)

    found = store_gram(path, ntk, X, block=4, cluster=cluster)
    assert torch.equal(found.values, store_gram(tmp_path / "whole.npy", watched, X, block=4).values)
    assert path.read_bytes()[: 4 * 50 * 8 * done] == first[: 4 * 50 * 8 * done]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("raises", r"kernel failed on a worker, .* row 48 and column 48: KeyError: .*kernel's own"),
        ("is infinite", r"kernel failed on a worker, .*ValueError: kernel\(x, z\) must be finite"),
    ],
)
def test_a_block_that_fails_costs_no_row(
    tmp_path: Path, cluster: Any, where: str, words: str
) -> None:
    path = tmp_path / "k.npy"
    store_gram(path, partial(odd, where=where), X[:40], block=8, cluster=cluster)  # nowhere wrong
    with pytest.raises(ValueError, match=words):
        store_gram(tmp_path / "l.npy", partial(odd, where=where), X, block=8, cluster=cluster)
    again = store_gram(tmp_path / "l.npy", odd, X, block=8, cluster=cluster).values
    assert torch.equal(again, store_gram(tmp_path / "m.npy", odd, X, block=8).values)


def test_wrong_calls_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robustlib.sweeps.engines.WAIT", "1s")
    lock = threading.Lock()

    def locked(a: Tensor, b: Tensor | None) -> Tensor:
        with lock:
            return ntk(a, b)

    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"workers": 0}, ValueError, "workers must be"),
        ({"workers": 1.5}, TypeError, "workers must be"),
        ({"cluster": "nonsense"}, ValueError, "cluster 'nonsense' cannot be reached"),
        ({"kernel": locked, "workers": 2}, TypeError, "function .*locked cannot be sent"),
    ]
    for change, error, words in wrong:
        call: dict[str, Any] = {"path": tmp_path / "k.npy", "kernel": ntk, "x": X} | change
        with pytest.raises(error, match=words):
            store_gram(**call)
        assert not list(tmp_path.iterdir()), change
