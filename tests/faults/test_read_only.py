"""A checkout that nobody may write into: what works there, and what says that it cannot."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of POSIX")

# All in one process, in which torch is imported once.
CALLS = """
import contextlib, io, json, sys
import pytest
import robustlib
from robustlib.__main__ import main
sys.path.insert(0, "tests/book")
import execute

for call in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = execute.main(call[1:]) if call[0] == "execute" else main(call)
        except SystemExit as left:
            status = left.code
    print(json.dumps([status, said.getvalue()]), flush=True)
sys.exit(pytest.main(["-p", "no:cacheprovider", "tests/test_numerics.py"]))
"""
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A checkout that nobody may write into, and the words before a call in it."""
    there = tmp_path / "checkout"
    for name in ("robustlib", "tests"):
        shutil.copytree(ROOT / name, there / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", there)
    cell = nbformat.v4.new_code_cell("1", id="c")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), there / "page.ipynb")
    if os.geteuid():
        files = [there, *there.rglob("*")]
        for path in files:
            path.chmod(path.stat().st_mode & ~0o222)
        yield there, []
        for path in files:
            path.chmod(path.stat().st_mode | 0o200)
    else:  # permissions do not bind root
        words = ["unshare", "-m", "sh", "-c", MOUNT, str(there)]
        if not shutil.which("unshare") or subprocess.run([*words, "true"]).returncode:
            pytest.skip("root may write everywhere here")
        yield there, words


def test_a_read_only_checkout(read_only: tuple[Path, list[str]], tmp_path: Path) -> None:
    there, words = read_only
    sweep, train = tmp_path / "sweep.py", ["train", "hexagon", "--budget", "smoke"]
    sweep.write_text("settings = [{}]\ndef run(): return 1\n", encoding="utf-8")
    runs = ["sweep", str(sweep), "--workers", "1"]
    right = [
        ["doctor"],
        ["claims", "sandwich", "--budget", "smoke"],
        [*train, "--store", str(tmp_path / "run"), "--out", str(tmp_path / "run.json")],
        [*runs, "--store", str(tmp_path / "runs")],
    ]
    wrong = [
        [*train, "--store", "run"],
        [*train, "--out", "run.json"],
        ["claims", "sandwich", "--page", "ledger.md"],
        [*runs, "--store", "runs"],
        ["execute", "page.ipynb"],
    ]

    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in there.rglob("*")}

    before = state()
    done = subprocess.run(
        [*words, sys.executable, "-c", CALLS, json.dumps([*right, *wrong])],
        cwd=there,
        env=os.environ | {"PYTHONPATH": str(there)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()[: len(right) + len(wrong)]]
    assert found[: len(right)] == [[0, ""]] * len(right)
    for status, said in found[len(right) :]:
        assert (status, said.count("\n")) == (2, 1)
        assert re.search(": error: .* can(not)? be written", said)
    assert state() == before
