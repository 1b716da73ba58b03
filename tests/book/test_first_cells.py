"""The first cells of chapters, assignments and Colab's editions, where something is odd.

Each is run by an interpreter that knows no library, with a pip of ours: it notes what it is asked
for, and installs a package of that name or fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from layout import ROOT

sys.path.insert(0, str(ROOT / "_ext"))

from editions.notebooks import SET_UP

ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
SOURCE = f"robustlib @ git+{ADDRESS}"
PIP = """\
import os, sys
from pathlib import Path
here = Path(__file__).parent
here.joinpath("asked").write_text(repr(sys.argv[1:]))
if os.environ["PIP_STATUS"] == "0":
    here.joinpath("robustlib").mkdir()
    here.joinpath("robustlib", "__init__.py").write_text("where = __file__")
sys.exit(int(os.environ["PIP_STATUS"]))
"""


def first_cell(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    return str(next(cell.source for cell in notebook.cells if cell.cell_type == "code"))


CELLS = {
    "chapter": first_cell(ROOT / "chapters" / "00-tour.ipynb"),
    "assignment": first_cell(ROOT / "chapters/assignments/student/1-inner-maximum.ipynb"),
    "edition": SET_UP.format(repository=ADDRESS),
}
each_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


@dataclass
class Place:
    """A working folder, empty, and one for packages, with a pip."""

    work: Path
    packages: Path

    def run(self, cell: str, after: str = "", *, pip: int = 0, **more: str) -> tuple[int, str, str]:
        """Status, what was printed, and the last line of what went wrong."""
        found = {"PYTHONPATH": str(self.packages), "PYTHONDONTWRITEBYTECODE": "1"}
        # -S: whatever is installed here is not; without it the path is what it is for pip too
        done = subprocess.run(
            [sys.executable, "-S", "-c", f"{cell}\n{after}"],
            cwd=self.work,
            env=os.environ | found | {"PIP_STATUS": str(pip)} | more,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, (done.stderr.splitlines() or [""])[-1]

    @property
    def asked(self) -> str:
        """What pip was asked, empty where it was not."""
        note = self.packages / "asked"
        return note.read_text(encoding="utf-8") if note.exists() else ""

    def install(self) -> None:
        """Put a package there before anybody asks."""
        (self.packages / "robustlib").mkdir()
        (self.packages / "robustlib" / "__init__.py").write_text("where = __file__")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "work", tmp_path / "packages")
    for folder in (made.work, made.packages):
        folder.mkdir()
    (made.packages / "pip.py").write_text(PIP, encoding="utf-8")
    return made


WHERE = "import robustlib; print(robustlib.where)"


@each_cell
def test_without_the_library_and_without_a_network_there_is_a_sentence(
    cell: str, place: Place
) -> None:
    status, out, said = place.run(cell, WHERE, pip=1)
    assert status == 1
    assert said == f"RuntimeError: pip cannot install {SOURCE}; is there a network, and git?"
    assert out == ""
    assert list(place.work.iterdir()) == []


@each_cell
def test_what_is_missing_is_installed_once(cell: str, place: Place) -> None:
    status, out, _ = place.run(cell, f"{cell}\n{WHERE}")
    assert (status, out) == (0, f"{place.packages}/robustlib/__init__.py\n")
    assert place.asked == repr(["install", "-q", SOURCE])
    (place.packages / "asked").unlink()
    assert place.run(cell, f"{cell}\n{WHERE}")[:2] == (status, out)
    assert place.asked == ""
    assert list(place.work.iterdir()) == []


@each_cell
@pytest.mark.parametrize("inside", ["", "robustlib/__init__.py", "notes.txt"])
def test_a_folder_of_that_name_beside_the_notebook_is_not_the_library(
    cell: str, inside: str, place: Place
) -> None:
    """As after git clone, in whose folder the library is one folder further down."""
    there = place.work / "robustlib" / (inside or "empty/..")
    there.parent.mkdir(parents=True)
    if inside:
        there.touch()
    status, out, _ = place.run(cell, WHERE)
    assert (status, out) == (0, f"{place.packages}/robustlib/__init__.py\n")
    assert place.asked == repr(["install", "-q", SOURCE])


@each_cell
def test_another_source_is_asked_for(cell: str, place: Place) -> None:
    assert place.run(cell, WHERE, ROBUSTLIB_SOURCE="a file with spaces.whl")[0] == 0
    assert place.asked == repr(["install", "-q", "a file with spaces.whl"])


@each_cell
def test_in_a_folder_that_cannot_be_written(cell: str, place: Place) -> None:
    place.install()
    place.work.chmod(0o555)
    assert place.run(cell, WHERE)[:2] == (0, f"{place.packages}/robustlib/__init__.py\n")
    assert place.asked == ""


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("loaded", ["1.0+cpu", "999.0"])
def test_another_version_than_the_installed_one_asks_for_a_restart(
    name: str, loaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exec(CELLS["edition"], {})  # what is loaded here is what is installed
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(__version__=loaded))
    with pytest.raises(RuntimeError) as caught:
        exec(CELLS["edition"], {})
    assert str(caught.value).startswith(f"{name} {loaded} is loaded but ")
    assert str(caught.value).endswith(
        "is installed: restart the session (menu Runtime), then run this cell again."
    )


def test_versions_are_not_asked_of_what_is_not_loaded(place: Place) -> None:
    """numpy is not even installed there."""
    place.install()
    assert place.run(CELLS["edition"], WHERE)[0] == 0
