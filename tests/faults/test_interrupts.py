"""Ctrl-C, in a cell and at the command line: one line, status 130, nothing half-written."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import nbformat
import psutil
import pytest
import torch

import robustlib as rl
from robustlib.kernels import ntk, store_gram
from robustlib.numerics import alarm, budget
from robustlib.training import loop

# One that falls between what opens and its ``with`` leaves that to the collector, which warns.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed (file|database|scandir):ResourceWarning")

ROOT = Path(__file__).parents[2]
COUNT = 100 if budget() == "gpu" else 15

# --- at the command line -------------------------------------------------------------------------

SWEEP = """
import time
settings = [{"n": n} for n in range(5000)]
def run(n):
    time.sleep(0.05)
"""
BENCH = """
import time
from robustlib.commands.contest import Contest
def contests(budget):
    yield Contest("nothing", "nothing", lambda: 1.0, limit=lambda: 1.0)
    time.sleep(300)
"""
NOTEBOOK = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell("open('begun', 'w').close()\nimport time; time.sleep(300)")]
)


def runs(path: Path) -> int:
    """How many runs are in a store of a sweep."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])
    return 0


def interrupted(command: list[str], folder: Path, begun: Callable[[], object]) -> list[str]:
    """What the command says when its whole group is interrupted, as by a terminal."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "first"), str(ROOT)])},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + 120
        while not begun():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < end, "it did not begin"
            time.sleep(0.02)
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive
    return said.splitlines()


def test_while_torch_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    slow = "import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(300)"
    (tmp_path / "first" / "torch.py").write_text(slow, encoding="utf-8")
    said = interrupted(["-m", "robustlib", "doctor"], tmp_path, (tmp_path / "begun").exists)
    assert said == ["python -m robustlib: interrupted; nothing was begun"]


def test_training(tmp_path: Path) -> None:
    store = tmp_path / "run"
    call = ["train", "hexagon", "--width", "64", "--steps", "1000000", "--store", "run"]
    said = interrupted(["-m", "robustlib", *call], tmp_path, store.exists)
    kept = "interrupted; the run is in run, and the same command goes on from it"
    assert said == [f"python -m robustlib train: {kept}"]
    assert os.listdir(tmp_path) == ["run"]
    found = rl.Trajectory.load(store, rl.TwoLayerNet(2, 64).double())
    assert len(found.surrogate_loss) > 1


def test_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "much.py").write_text(SWEEP, encoding="utf-8")
    call = ["sweep", "much.py", "--store", "runs", "--workers", "2"]
    said = interrupted(["-m", "robustlib", *call], tmp_path, lambda: runs(tmp_path / "runs") > 2)
    kept = "interrupted; finished runs are in runs, and the same command goes on from them"
    assert said == [f"python -m robustlib sweep: {kept}"]
    with closing(sqlite3.connect(tmp_path / "runs")) as database:
        states = database.execute("SELECT DISTINCT state FROM runs").fetchall()
    assert states == [("done",)]


def test_claims(tmp_path: Path) -> None:
    out = tmp_path / "verdicts.json"
    call = ["claims", "--budget", "smoke", "--out", out.name]
    said = interrupted(["-m", "robustlib", *call], tmp_path, out.exists)
    kept = "interrupted; the verdicts so far are in verdicts.json"
    assert said == [f"python -m robustlib claims: {kept}"]
    assert json.loads(out.read_text(encoding="utf-8"))


def test_a_benchmark(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "own.py").write_text(BENCH, encoding="utf-8")
    out = tmp_path / "bench.json"
    call = ["bench", "--budget", "smoke", "--out", out.name]
    said = interrupted(["-m", "robustlib", *call], tmp_path, out.exists)
    kept = "interrupted; the rows measured so far are in bench.json"
    assert said == [f"python -m robustlib bench: {kept}"]
    assert len(json.loads(out.read_text(encoding="utf-8"))["own"]["rows"]) == 1


def test_the_execution_of_a_notebook(tmp_path: Path) -> None:
    nbformat.write(NOTEBOOK, tmp_path / "page.ipynb")
    before = (tmp_path / "page.ipynb").read_bytes()
    program = str(ROOT / "tests" / "book" / "execute.py")
    said = interrupted([program, "page.ipynb"], tmp_path, (tmp_path / "begun").exists)
    assert said == ["interrupted; page.ipynb is as it was"]
    assert (tmp_path / "page.ipynb").read_bytes() == before


@pytest.mark.parametrize("command", ["train", "sweep", "claims", "bench", "gpu"])
def test_what_was_not_written_is_not_promised(command: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"robustlib.commands.{command}")
    say = module._said if command == "bench" else module._kept
    absent = tmp_path / "absent"
    words = say(Namespace(store=absent, out=absent))
    assert words == f"nothing was finished yet, so there is no {absent}"
    assert say(Namespace(store=None, out=None)).startswith("nothing is kept without --")


# --- in a cell: the same signal, and the same process goes on ------------------------------------


def again_and_again(call: Callable[[], object], *, longest: float, length: int = COUNT) -> int:
    """Interrupt the call so often, then let it end; how often it was interrupted."""
    draw, count = random.Random(int.from_bytes(os.urandom(4), "little")), 0
    for _ in range(length):
        try:
            with alarm(draw.uniform(1e-4, longest), signal.default_int_handler):
                call()
        except KeyboardInterrupt:
            count += 1
    call()
    return count


def test_training_in_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 0.5)
    net = rl.TwoLayerNet(2, 64).double()
    state = torch.get_rng_state()

    def train(**how: object) -> rl.Trajectory:
        return rl.adversarial_training(
            net,
            rl.hexagon(),
            perturbation=rl.SphereCap(0.1),
            attack=rl.PGD(steps=2),
            loss=rl.PseudoHuber(),
            step_size=0.1,
            steps=20 * COUNT,
            **how,  # type: ignore[arg-type]
        )

    count = again_and_again(lambda: train(checkpoint=tmp_path / "run"), longest=0.05)
    assert count > COUNT // 2
    resumed, whole = train(checkpoint=tmp_path / "run"), train()
    assert torch.equal(resumed.surrogate_loss, whole.surrogate_loss)
    assert torch.equal(resumed.final.weight, whole.final.weight)
    assert os.listdir(tmp_path) == ["run"]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_a_gram_matrix_in_a_cell(tmp_path: Path) -> None:
    x = rl.sphere(20 + 4 * COUNT, 3).x

    def store() -> torch.Tensor:
        return store_gram(tmp_path / "k.npy", ntk, x, block=4).values

    assert again_and_again(store, longest=0.02) > COUNT // 2
    whole = store_gram(tmp_path / "whole.npy", ntk, x, block=4)
    assert torch.equal(store(), whole.values)
    assert sorted(os.listdir(tmp_path)) == ["k.json", "k.npy", "whole.json", "whole.npy"]


def test_a_sweep_in_a_cell(tmp_path: Path) -> None:
    def call() -> rl.Sweep:
        settings = rl.grid(n=range(60))
        return rl.sweep(half, settings, store=tmp_path / "runs", workers=1, progress=False)

    before = set(psutil.Process().children())
    assert again_and_again(call, longest=4.0, length=3) >= 1
    assert call().column("value") == [n / 2 for n in range(60)]
    assert set(psutil.Process().children()) <= before
    assert os.listdir(tmp_path) == ["runs"]


def half(n: int) -> float:
    """A run that takes a moment."""
    time.sleep(0.05)
    return n / 2
