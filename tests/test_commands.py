"""``python -m robustlib ...``: what its commands print, exit statuses, one line for an error."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch

from robustlib.__main__ import main
from robustlib.commands import doctor

ROOT = Path(__file__).parents[1]

FILE = """
import robustlib as rl
settings = rl.grid(n=[1, 2, 0])
def run(n):
    return {"third": 1 / n}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "thirds.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_sweep_prints_a_sentence_and_its_failures(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, store = tmp_path / "out.csv", tmp_path / "runs.sqlite"
    call = ["sweep", str(file), "--store", str(store), "--workers", "1"]
    assert main([*call, "--out", str(table)]) == 1
    said = capsys.readouterr()
    assert said.out == "Sweep 'thirds' of 3 settings: 2 done, 1 raised an error.\n"
    assert said.err == '{"n": 0}: ZeroDivisionError: division by zero\n'
    with table.open(encoding="utf-8") as lines:
        assert [row["third"] for row in csv.DictReader(lines)] == ["1.0", "0.5", ""]
    file.write_text(FILE.replace("[1, 2, 0]", "[1, 2]"), encoding="utf-8")
    assert main([*call, "--out", str(tmp_path / "out.json")]) == 0
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [row["third"] for row in rows] == [1.0, 0.5]


def test_the_script_of_a_slurm_job(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["sweep", str(file), "--cluster", "slurm", "--show-script", "--gpus", "1"]
    assert main([*call, "--memory", "16GB", "--partition", "short", "--threads", "4"]) == 0
    script = capsys.readouterr().out
    for line in ("-p short", "--cpus-per-task=4", "--mem=15G", "-t 01:00:00", "--gres=gpu:1"):
        assert f"#SBATCH {line}\n" in script


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--out", "table.txt"], "--out must end in .csv or .json, got table.txt"),
        (
            ["--out", "none/table.csv"],
            "--out must be in a directory that exists, got 'none/table.csv'",
        ),
        (["--show-script"], "--show-script needs --cluster slurm"),
        (["--workers", "0"], "workers must be"),
        (["--seconds", "nan"], "seconds must be"),
        (["--threads", "x"], "argument --threads: invalid int value: 'x'"),
        (["--store", "none/runs"], "store must be in a directory that exists, got 'none/runs'"),
    ],
)
def test_what_is_wrong_is_one_line(
    file: Path,
    change: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sweep", str(file), *change])
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"python -m robustlib sweep: error: {words}")
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "FILE.py must be a Python file"),
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("settings = [{}]", "must define run"),
        ("settings = 3\ndef run(): pass", "settings must be a list of dicts"),
    ],
)
def test_a_file_that_holds_no_sweep(
    tmp_path: Path, text: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["sweep", str(path)])
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_doctor_names_versions_device_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.setattr(torch, "__version__", "0.1")
    monkeypatch.setattr(
        doctor, "USES", [("ghosts", ("no_such_module",), ("no-such-program",), "ask one")]
    )
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"torch {metadata.version('torch')}" in said
    assert f"torch 0.1 is loaded, {metadata.version('torch')} is installed" in said
    assert "MKL_NUM_THREADS=3" in said
    assert "For ghosts: lacks no_such_module, no-such-program: ask one\n" in said
    monkeypatch.setattr(doctor, "NEEDED", (*doctor.NEEDED, "no-such-package"))
    assert main(["doctor"]) == 1
    assert "MISSING: no-such-package: pip install no-such-package\n" in capsys.readouterr().out


def test_doctor_knows_all_that_the_library_needs() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    assert list(doctor.NEEDED) == [re.split("[<>=]", name)[0] for name in needed]
