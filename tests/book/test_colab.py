"""The tour's edition as a reader opens it on Colab: alone, an old IPython, a torch not to touch.

A rehearsal only: the versions of the kernel and the widgets are Colab's, Python and torch are
this machine's. `make colab-run` runs all editions in Colab's own versions.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import colab
import pytest

TOUR = colab.EDITIONS / "00-tour.ipynb"
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
        python = colab.new_environment(Path(folder), sys.executable)
        try:
            colab.install(python, *colab.FRONT_END, "setuptools")
        except RuntimeError as error:
            if os.environ.get("ROBUSTLIB_COLAB") == "required":
                pytest.fail(str(error))
            pytest.skip(str(error))
        lend_packages(python)
        yield python


def test_versions_are_those_of_the_library_on_colab() -> None:
    matrix = runpy.run_path(str(colab.ROOT / "tests" / "versions.py"))["MATRIX"]
    assert set(matrix["colab"].pins) <= set(colab.VERSIONS)


def test_tour_runs_and_changes_no_package(python: Path, tmp_path: Path) -> None:
    if not TOUR.exists():
        pytest.fail("the tour's edition is missing: run `make colab` first")
    before = colab.freeze(python)
    found = colab.run(TOUR, python, colab.snapshot(tmp_path), tmp_path)
    assert colab.different_texts(TOUR, found) == []
    assert colab.changed_packages(python, before) == set()
    assert len(colab.freeze(python) - before) == 1, "the set-up cell did not install robustlib"
