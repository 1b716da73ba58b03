"""Work that is killed at random moments: python victims.py WORK FOLDER KILLS SEED [CLUSTER].

Forks from a process that has imported everything, so that a death costs no start of Python.
Prints how many were killed and how often the work came to its end in between.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import torch

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "tests" / "book"
sys.path[:0] = [str(ROOT), str(ROOT / "teaching"), str(BOOK), str(BOOK / "assignments")]
import execute  # noqa: E402
import grade  # noqa: E402
import hostile  # noqa: E402
from session import Limits  # noqa: E402

from robustlib.kernels import load_gram, ntk, store_gram  # noqa: E402
from robustlib.samples import sphere  # noqa: E402

# --- the works: what a child does, what must hold after each death, and at the end ---------------


class Work:
    """Something that is killed: ``longest`` is the latest moment of a death, in seconds."""

    longest = 0.1

    def __init__(self, folder: Path, cluster: str | None) -> None:
        self.folder, self.cluster = folder, cluster

    def work(self) -> None:
        """What a child does, from where the last one was stopped."""
        raise NotImplementedError

    def wait(self) -> None:
        """Until a death would hit something."""

    def after_a_death(self) -> None:
        """What holds at any moment."""

    def at_the_end(self) -> None:
        """What holds when the work is done; then it begins again."""
        raise NotImplementedError


class OneGram(Work):
    """A matrix, row of blocks by row of blocks: none that is noted is ever lost."""

    def __init__(self, folder: Path, cluster: str | None) -> None:
        super().__init__(folder, cluster)
        self.x, self.path, self.rows = sphere(60, 3).x, folder / "k.npy", 0
        whole = store_gram(folder / "whole.npy", ntk, self.x, block=4)
        self.whole = whole.path.read_bytes(), whole.path.with_suffix(".json").read_bytes()

    def work(self) -> None:
        store_gram(self.path, ntk, self.x, block=4, cluster=self.cluster)

    def after_a_death(self) -> None:
        note = self.path.with_suffix(".json")
        rows = note.read_bytes().count(b'", "') if note.exists() else 0
        assert rows >= self.rows, "rows of blocks were lost"
        self.rows = rows

    def at_the_end(self) -> None:
        load_gram(self.path)
        assert (self.path.read_bytes(), self.path.with_suffix(".json").read_bytes()) == self.whole
        assert sorted(os.listdir(self.folder)) == ["k.json", "k.npy", "whole.json", "whole.npy"]
        self.path.unlink()
        self.path.with_suffix(".json").unlink()
        self.rows = 0


class GramOfManyWorkers(OneGram):
    """The same on a cluster, whose workers die as well as the driver."""

    longest = 0.5


class OneNotebook(Work):
    """Two outputs of one notebook, stored in turn: what lies there is one of them, whole."""

    longest = 0.005

    def __init__(self, folder: Path, cluster: str | None) -> None:
        super().__init__(folder, cluster)
        self.path, self.turn, self.whole = folder / "page.ipynb", 0, []
        nbformat.write(nbformat.v4.new_notebook(), self.path)
        self.heard, tell = os.pipe()
        store = execute.replace

        def telling(path: Path, parts: list[bytes]) -> None:
            os.write(tell, b".")
            store(path, parts)

        execute.replace = telling
        for k in (1, 0):
            self.turn = k
            self.path.write_text(
                '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
            )
            self.work()
            self.wait()
            self.whole.append(self.path.read_bytes())

    def work(self) -> None:
        turn = self.turn

        def run(path: Path, kernel: str) -> nbformat.NotebookNode:
            text = f"{turn}" * 1000
            cells = [nbformat.v4.new_code_cell(text, id=f"c{k}") for k in range(1000)]
            return nbformat.v4.new_notebook(cells=cells, metadata=execute.METADATA)

        execute.in_a_thread = run  # in none, since this process forks
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        assert execute.main([str(self.path)]) == 0
        sys.stdout = sys.__stdout__

    def wait(self) -> None:
        os.read(self.heard, 1)  # until it is about to write

    def after_a_death(self) -> None:
        assert self.path.read_bytes() in self.whole, "the notebook is neither the old nor the new"

    def at_the_end(self) -> None:
        self.after_a_death()
        assert os.listdir(self.folder) == ["page.ipynb"]  # also nothing that a death left behind
        self.turn = 1 - self.turn


class Marks(Work):
    """Twelve submissions: who has been marked is not marked again, nobody is lost."""

    longest = 4.0

    def __init__(self, folder: Path, cluster: str | None) -> None:
        super().__init__(folder, cluster)
        self.kept: dict[Path, int] = {}
        (folder / "in").mkdir()
        for k in range(12):
            cells = hostile.RIGHT[: k % 4]
            (folder / "in" / f"student {k}.ipynb").write_bytes(hostile.notebook(cells))
        self.out = folder / "out"

    def work(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        self.out.mkdir(exist_ok=True)
        grade.grade(self.folder / "in", self.out, "5-capacity", 2, Limits())

    def after_a_death(self) -> None:
        found = {path: path.stat().st_mtime_ns for path in self.out.glob("records/*.json")}
        assert self.kept.items() <= found.items(), "a record was lost or made twice"
        self.kept = found

    def at_the_end(self) -> None:
        self.after_a_death()
        lines = (self.out / "marks.csv").read_text(encoding="utf-8").splitlines()[1:]
        found = {line.split(",")[0]: int(line.split(",")[-4]) for line in lines}
        assert found == {f"student {k}": 6 * (k % 4) for k in range(12)}
        assert len(list((self.out / "feedback").iterdir())) == len(self.kept) == 12
        shutil.rmtree(self.out)
        self.kept = {}


WORKS = {kind.__name__: kind for kind in (OneGram, GramOfManyWorkers, OneNotebook, Marks)}

# --- deaths --------------------------------------------------------------------------------------


def kill(work: Work, kills: int, draw: random.Random) -> tuple[int, int]:
    """Kill so many children, let the last one end; how many were killed, how many ended."""
    killed = ended = 0
    while killed < kills or not ended:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os._exit(_status(work.work))
        work.wait()
        if killed < kills:
            time.sleep(draw.random() * work.longest)
            others = _workers() if work.cluster and killed % 5 == 4 else []
            os.kill(draw.choice(others) if others else child, signal.SIGKILL)
            killed += bool(others)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
            work.after_a_death()
            continue
        assert os.WEXITSTATUS(status) == 0, "the work failed after a death"
        work.at_the_end()
        ended += 1
    return killed, ended


def _status(work: Callable[[], None]) -> int:
    try:
        work()
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _workers() -> list[int]:
    """The cluster's processes: those that the test's process has spawned."""
    children = psutil.Process(os.getppid()).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


if __name__ == "__main__":
    torch.set_num_threads(1)
    name, folder, kills, seed, *cluster = sys.argv[1:]
    work = WORKS[name](Path(folder), cluster[0] if cluster else None)
    print(*kill(work, int(kills), random.Random(int(seed))))
