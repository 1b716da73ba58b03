"""A full disk, a clock that goes back, other languages, a shell's settings, spaces, two makes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch

import robustlib as rl
from robustlib.__main__ import main
from robustlib.kernels import load_gram, ntk, store_gram
from robustlib.sweeps.store import Store
from robustlib.training import loop

resource = pytest.importorskip("resource")
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: writing more fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def train(path: Path | None, steps: int) -> rl.Trajectory:
    return rl.adversarial_training(
        rl.TwoLayerNet(2, 64).double(),
        rl.hexagon(),
        perturbation=rl.SphereCap(0.1),
        attack=rl.PGD(steps=2),
        loss=rl.PseudoHuber(),
        step_size=0.1,
        steps=steps,
        checkpoint=path,
    )


def test_a_full_disk_costs_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(path, 3)
    before = path.read_bytes()
    for size in (0, 1, len(before) // 2, len(before) - 1):
        with full_after(size), pytest.raises(OSError, match="File too large"):
            train(path, 6)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["run"]
    assert torch.equal(train(path, 6).surrogate_loss, train(None, 6).surrogate_loss)


def test_a_full_disk_costs_no_row_of_a_gram_matrix(tmp_path: Path) -> None:
    x, path = rl.sphere(60, 3).x, tmp_path / "k.npy"
    whole = store_gram(tmp_path / "whole.npy", ntk, x, block=4)
    rows = 60 * 4 * 8
    for size in (0, 100, 2 * rows, 2 * rows + 200, 9 * rows):
        with full_after(size), pytest.raises(OSError, match="File too large"):
            store_gram(path, ntk, x, block=4)
    with pytest.raises(ValueError, match=r"not finished: 32 of 60 rows"):
        load_gram(path)
    assert torch.equal(store_gram(path, ntk, x, block=4).values, whole.values)


def test_a_full_disk_costs_no_run_of_a_sweep(tmp_path: Path) -> None:
    settings, store = rl.grid(n=range(40)), tmp_path / "runs"
    with full_after(24_000), pytest.raises(OSError, match=r"cannot be written: .*are kept"):
        rl.sweep(words, settings, store=store, workers=1, progress=False)
    found = rl.sweep(words, settings, store=store, workers=1, progress=False)
    assert found.column("value") == [words(n) for n in range(40)]


def words(n: int) -> str:
    """A result that takes room."""
    return f"{n} " * 500


def test_a_full_disk_is_one_line_at_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run.json"
    call = ["train", "hexagon", "--budget", "smoke", "--out", str(out)]
    with full_after(100), pytest.raises(SystemExit, match="2"):
        main(call)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("python -m robustlib train: error: [Errno 27] File too large")
    assert os.listdir(tmp_path) == []


def test_a_clock_that_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here asks what time it is but the bars and the dates that a table shows."""
    now = [2e9]

    def back() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", back)
    monkeypatch.setattr("tqdm.std.time", back)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    path = tmp_path / "run"
    for steps in (2, 4):
        found = train(path, steps)
        os.utime(path, (0, 2e9 - 1e6 * steps))  # each older than the one before
    assert torch.equal(found.surrogate_loss, train(None, 4).surrogate_loss)
    for settings in (rl.grid(n=[1, 2]), rl.grid(n=[1, 2, 3])):
        table = rl.sweep(words, settings, store=tmp_path / "runs", workers=1, progress=True)
        assert all(run.seconds >= 0 for run in table.runs)
    assert table.column("value") == [words(n) for n in (1, 2, 3)]


PLAIN = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
CODE = """
import locale, sys
locale.setlocale(locale.LC_ALL, "")
from robustlib.__main__ import main
print(locale.localeconv()["decimal_point"], file=sys.stderr)
sys.exit(main(sys.argv[1:]))
"""


def trained(folder: Path, **environment: str) -> tuple[str, str, bytes]:
    """What a training prints, the decimal point of its language, and what it writes."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, "train", "hexagon", "--budget", "smoke", "--out", "run.json"],
        cwd=folder,
        env=PLAIN | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode(), done.stderr.decode().strip(), (folder / "run.json").read_bytes()


def test_other_languages(tmp_path: Path) -> None:
    said, point, written = trained(tmp_path, LC_ALL="C.UTF-8")
    assert point == "."
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # ASCII and no more
    assert trained(tmp_path, **bare) == (said, ".", written)
    if shutil.which("localedef") is None:
        pytest.skip("no localedef here")
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")]
    if subprocess.run(made, capture_output=True).returncode:
        pytest.skip("no German here")
    german = {"LC_ALL": "de_DE.UTF-8", "LOCPATH": str(tmp_path)}
    assert trained(tmp_path, **german) == (said, ",", written)


def test_the_threads_of_a_shell_are_not_those_of_make(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make here")
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ROBUSTLIB_BUDGET")
    (tmp_path / "more.mk").write_text("show: ; @env\n", encoding="utf-8")
    done = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", str(tmp_path / "more.mk"), "show"],
        cwd=ROOT,
        env=os.environ | dict.fromkeys(names, "7"),
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert [seen[name] for name in names] == ["1", "1", "1", "laptop"]


def test_a_path_with_spaces(tmp_path: Path) -> None:
    """A checkout there: its library is the one that runs, in sweeps' processes and in kernels."""
    there = tmp_path / "a b, ü"
    for name in ("robustlib", "tests/book"):
        shutil.copytree(ROOT / name, there / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests" / "environment.mk", there / "tests")
    code = "import robustlib, sys; print(robustlib.__file__, file=open('told', 'w'))"
    cells = [nbformat.v4.new_code_cell(code, id="c")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), there / "page.ipynb")
    sweep = "import robustlib\nsettings = [{}]\ndef run(): return robustlib.__file__\n"
    (there / "where is.py").write_text(sweep, encoding="utf-8")
    for call in (
        ["tests/book/execute.py", str(there / "page.ipynb")],
        ["-m", "robustlib", "sweep", "where is.py", "--workers", "2", "--store", "the runs"],
    ):
        environment = os.environ | {"PYTHONPATH": str(there)}
        subprocess.run([sys.executable, *call], cwd=there, env=environment, check=True)
    inside = str(there / "robustlib" / "__init__.py")
    assert (there / "told").read_text(encoding="utf-8").strip() == inside
    with contextlib.closing(Store(there / "the runs", "where is")) as store:
        (run,) = store.finished(failed=True).values()
    assert run.result == {"value": inside}


def test_two_makes_in_one_folder_take_turns(tmp_path: Path) -> None:
    """What sets up and builds waits for the other, and for a dead one no longer."""
    (tmp_path / "_ext").mkdir()
    alone = shutil.copy(ROOT / "_ext" / "alone.py", tmp_path / "_ext")
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\t.venv/bin/jupyter-book" not in make
    assert make.count("$(ALONE)") == 3
    first = "import time; print('begun', flush=True); time.sleep(600)"
    with (
        subprocess.Popen(
            [sys.executable, alone, sys.executable, "-c", first], stdout=subprocess.PIPE
        ) as one,
        subprocess.Popen(
            ["sh", "-c", 'read begun; exec "$@"', "", sys.executable, alone, "echo", "built"],
            stdin=one.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as other,
    ):
        assert other.stderr is not None
        assert other.stdout is not None
        try:
            assert other.stderr.readline() == "another make works in this folder: waiting for it\n"
            assert other.poll() is None
        finally:
            one.kill()
        assert other.stdout.read() == "built\n"
    assert other.returncode == 0
