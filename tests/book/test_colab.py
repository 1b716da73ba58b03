"""The tour as a reader opens it on Colab: one notebook, an old IPython, a torch not to be touched.

A rehearsal only: the versions of the kernel and the widgets are Colab's, Python and torch are
this machine's, and the front end is not there.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from layout import ROOT, files_of_the_repository

TOUR = ROOT / "chapters" / "00-tour.ipynb"
COLAB = ["ipywidgets==7.7.1", "ipython==7.34.0", "ipykernel==6.17.1"]
NOT_LENT = {"robustlib"}


def link(source: str, target: str) -> None:
    """A second name for a file, so that deleting or replacing one leaves the other; else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def lend_packages(python: Path) -> None:
    """Give an environment the packages that this one has and it lacks: no second download."""
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    there = {found.name for found in distributions(path=[str(site)])} | NOT_LENT
    for found in distributions():
        tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
        for top in tops if found.name not in there else ():
            source, target = Path(str(found.locate_file(top))), site / top
            if source.is_dir() and not target.exists():
                shutil.copytree(source, target, copy_function=link)
            elif source.is_file() and not target.exists():
                link(str(source), str(target))


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    """The interpreter of a new environment that holds what Colab brings, and no robustlib."""
    # Not tmp_path: pytest would keep the last three of these, of a gigabyte each.
    with tempfile.TemporaryDirectory(prefix="robustlib-colab-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        arguments = shlex.split(os.environ.get("PIP_ARGS", ""))
        install = subprocess.run(
            [python, "-m", "pip", "install", "-q", *COLAB, "setuptools", *arguments],
            capture_output=True,
            text=True,
        )
        if install.returncode:
            reason = f"cannot install what Colab brings: {install.stderr.strip()[-300:]}"
            if os.environ.get("ROBUSTLIB_COLAB") == "required":
                pytest.fail(reason)
            pytest.skip(reason)
        lend_packages(python)
        yield python


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """This working tree, committed or not, as a git repository that pip can install from."""
    snapshot = tmp_path_factory.mktemp("snapshot") / "robustlib"
    for name in files_of_the_repository():
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, snapshot / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "snapshot"]):
        subprocess.run(["git", *command], cwd=snapshot, check=True)
    return f"git+file://{snapshot}"


def freeze(python: Path) -> set[str]:
    listing = subprocess.run(
        [python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    )
    return set(listing.stdout.splitlines())


def test_tour_runs_and_changes_no_package(python: Path, source: str, tmp_path: Path) -> None:
    kernel = tmp_path / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "colab", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    empty = tmp_path / "content"
    empty.mkdir()
    shutil.copyfile(TOUR, empty / TOUR.name)
    before = freeze(python)

    environment = os.environ | {
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "ROBUSTLIB_SOURCE": source,
    }
    environment.pop("PYTHONPATH", None)
    run = subprocess.run(
        [sys.executable, ROOT / "tests/book/execute.py", "--kernel", "colab", empty / TOUR.name],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    new = freeze(python) - before
    assert len(new) == 1
    assert new.pop().startswith("robustlib @ git+file://")
    assert before <= freeze(python), "the set-up cell removed or replaced a package"
