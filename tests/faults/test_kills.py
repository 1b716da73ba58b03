"""SIGKILL at random moments: nothing is lost, nothing is made twice, nothing is half-written.

By ROBUSTLIB_BUDGET=gpu a hundred times each, else a few. Training is killed in
tests/training/test_training.py, sweeps in tests/sweeps/test_sweep.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

from robustlib.numerics import budget

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "teaching"))
import confine  # noqa: E402

MANY = budget() == "gpu"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are of POSIX")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[list[str]]:
    """A scheduler and two workers, which their nannies start again."""
    distributed, settings = pytest.importorskip("distributed"), pytest.importorskip("dask").config
    with (
        settings.set({"distributed.deploy.lost-worker-timeout": "1h"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", local_directory=str(folder)
        ) as found,
    ):
        yield [found.scheduler_address]


# Those of which a single death costs seconds are left to the gpu budget.
WORKS = ["OneGram", "OneNotebook", *(["GramOfManyWorkers", "Marks"] if MANY else [])]


@pytest.mark.parametrize("work", WORKS)
def test_kills_at_random_moments(work: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    if work == "Marks" and not confine.level().startswith("namespaces"):
        pytest.skip("no namespaces here")
    kills = 100 if MANY else 10
    folder = tmp_path_factory.mktemp(work)
    seed = int.from_bytes(os.urandom(4), "little")
    with contextlib.ExitStack() as stack:
        where = []
        if work == "GramOfManyWorkers":
            where = stack.enter_context(cluster(tmp_path_factory.mktemp("dask")))
        call = [work, str(folder), str(kills), str(seed), *where]
        done = subprocess.run(
            [sys.executable, str(HERE / "victims.py"), *call], capture_output=True, text=True
        )
    assert done.returncode == 0, (seed, done.stderr[-3000:])
    killed, ended = map(int, done.stdout.split())
    assert killed == kills
    assert ended >= 1


def test_a_killed_execution_leaves_the_notebook_and_no_process(tmp_path: Path) -> None:
    path, told = tmp_path / "page.ipynb", tmp_path / "told"
    cell = f"import os, time\nopen({str(told)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)"
    cells = [nbformat.v4.new_code_cell(cell, id="c")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    command = [sys.executable, str(HERE.parent / "book" / "execute.py"), str(path)]
    with subprocess.Popen(command) as process:
        end = time.monotonic() + 120
        while not told.exists() or not told.read_text(encoding="utf-8"):
            assert process.poll() is None
            assert time.monotonic() < end, "the cell was not reached"
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(told.read_text(encoding="utf-8"))).wait(60)  # the kernel sees it
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["page.ipynb", "told"]
