"""``python -m robustlib ...``: what its commands print, exit statuses, one line for an error."""

from __future__ import annotations

import csv
import json
import re
import textwrap
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import robustlib as rl
from robustlib.__main__ import main
from robustlib.book.claims import claims as known
from robustlib.book.claims.registry import BELOW, Verdict
from robustlib.commands import claims, doctor, train
from robustlib.commands.options import STATUS
from robustlib.commands.wrong import one_line

COMMANDS = ("claims", "train", "sweep", "bench", "gpu", "doctor")
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
        (["--seed", "3"], "--seed needs a run that takes seed, got run(n)"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
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
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"python -m robustlib sweep: error: {words}")


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


def test_only_python_files_hold_sweeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("runs.pyc", "runs.txt"):
        (tmp_path / name).write_text("settings, run = [{}], print", encoding="utf-8")
        with pytest.raises(SystemExit, match="2"):
            main(["sweep", str(tmp_path / name)])
        assert "FILE.py must be a Python file" in capsys.readouterr().err


def test_a_long_message_is_cut_in_the_middle() -> None:
    text = "".join(chr(97 + k % 26) for k in range(1000))
    assert one_line(text[:400]) == text[:400]
    assert one_line(text) == f"{text[:200]} ... {text[-200:]}"


def test_a_claim_that_was_not_decided_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def below(id: str, **_: object) -> Verdict:
        return Verdict(found[id], BELOW, "too few seeds", None, 0.0, "smoke")

    found = {claim.id: claim for claim in known()}
    monkeypatch.setattr(claims, "check", below)
    assert main(["claims", "sandwich"]) == 0
    assert capsys.readouterr().out.endswith(f"0 of 1 claims hold\n{BELOW.lower()}: sandwich\n")


def test_a_shared_option_is_a_setting_of_each_run(tmp_path: Path) -> None:
    path, table = tmp_path / "seeds.py", tmp_path / "out.json"
    path.write_text("settings = [{'n': 1}]\ndef run(n, seed): return n + seed", encoding="utf-8")
    assert main(["sweep", str(path), "--workers", "1", "--seed", "4", "--out", str(table)]) == 0
    (row,) = json.loads(table.read_text(encoding="utf-8"))
    assert (row["seed"], row["value"]) == (4, 5)


# --- all commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_a_call_its_output_and_what_statuses_mean(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    page = capsys.readouterr().out
    _, _, example = page.partition("example:\n")
    assert example.split()[:4] == ["python", "-m", "robustlib", command]
    assert len(example.split("\n\n")[1].split()) > 3  # what comes out
    assert set(STATUS) == {0, 1, 2, 3, 130}  # scripts rely on these
    for status, words in STATUS.items():
        assert f"{status} {words}" in page


@pytest.mark.parametrize("command", [claims, train])
def test_what_help_shows_comes_out(
    command: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call, shown = command._EXAMPLE.split("\n\n")[:2]
    monkeypatch.chdir(tmp_path)
    assert main(call.split()[3:]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line]
    for line, pattern in zip(said, textwrap.dedent(shown).splitlines(), strict=True):
        assert re.fullmatch(re.escape(pattern).replace(r"\.\.\.", ".*"), line)


def test_an_option_means_the_same_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[str, set[str]] = {}
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        options = capsys.readouterr().out.partition("options:")[2].partition("example:")[0]
        flat = " ".join(options.split())
        for name, words in re.findall(r"(--(?:device|budget|seed|out)) [^-]*? ([a-z][^:(]*)", flat):
            seen.setdefault(name, set()).add(words.strip())
    assert sorted(seen) == ["--budget", "--device", "--out", "--seed"]
    assert all(len(words) == 1 for words in seen.values()), seen


@pytest.mark.parametrize(("command", "seed"), [("train", "0"), ("sweep", "none")])
def test_help_tells_defaults(command: str, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = " ".join(capsys.readouterr().out.split())
    assert f"--seed N of all that is drawn at random (default: {seed})" in options
    assert re.search(r"--out FILE [^(]* \(default: nothing is written\)", options)


# --- train ---------------------------------------------------------------------------------------


def trained(*options: str, out: Path) -> dict[str, Any]:
    assert main(["train", "hexagon", "--budget", "smoke", *options, "--out", str(out)]) == 0
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_train_prints_and_writes_what_the_library_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = trained("--set", "l2", "--eps", "0.2", "--seed", "3", out=tmp_path / "run.json")
    sample, loss = rl.hexagon(), rl.PseudoHuber()
    how: dict[str, Any] = {"perturbation": rl.L2Ball(0.2), "loss": loss, "seed": 3}
    net = rl.TwoLayerNet(2, 64, seed=3).double()
    attack = rl.PGD(steps=5, seed=3)
    run = rl.adversarial_training(net, sample, attack=attack, step_size=2.0, steps=5, **how)
    best = rl.robust_loss(run.best, sample, effort="low", **how)
    assert capsys.readouterr().out == f"{sample}\n{run}\n{best}\n"
    assert found["surrogate_loss"] == run.surrogate_loss.tolist()
    assert found["drift"] == run.drift.tolist()
    assert found["robust_loss"] == [best.lower, best.upper]


def test_a_stopped_run_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = tmp_path / "run.store", tmp_path / "run.json"
    whole = trained("--steps", "7", out=out)

    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "robust_loss", stops)
        assert (
            main(["train", "hexagon", "--steps", "4", "--width", "64", "--store", str(store)])
            == 130
        )
    said = f"interrupted; the run is in {store}, and the same command goes on from it\n"
    assert capsys.readouterr().err == f"python -m robustlib train: {said}"
    assert trained("--steps", "7", "--store", str(store), out=out) == whole


def test_a_run_that_diverges_failed(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["train", "hexagon", "--budget", "smoke", "--loss", "logistic", "--step-size", "1e300"]
    assert main(call) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("training diverged at step")


def test_samples_in_files(tmp_path: Path) -> None:
    x, y = rl.sphere(6, 3, seed=1).x, ["a", "b", "c"] * 2
    table, arrays = tmp_path / "own.csv", tmp_path / "own.npz"
    rows = [",".join([*map(repr, row), label]) for row, label in zip(x.tolist(), y, strict=True)]
    table.write_text("\n".join(["u,v,w,kind", *rows]), encoding="utf-8")
    np.savez(arrays, x=(2 * x).numpy(), y=np.arange(6))
    parse = train.sample_of
    expected = rl.Sample.from_arrays(x, y, classes=("a", "b"))
    options = namespace(str(table), classes=["a", "b"])
    assert torch.equal(parse(options).x, expected.x)
    assert torch.equal(parse(options).y, expected.y)
    numbers = parse(namespace(str(arrays), classes=["0", "5"], scale="rows"))
    torch.testing.assert_close(numbers.x, x[[0, 5]])
    assert numbers.y.tolist() == [-1, 1]


def namespace(sample: str, **given: object) -> Any:
    from argparse import Namespace

    return Namespace(
        **{"sample": sample, "points": None, "classes": None, "scale": None, "seed": 0} | given
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["digit"], "SAMPLE must be one of digits, hexagon, sphere, caps, or .npz or .csv"),
        (["none.csv"], "there is no file none.csv (SAMPLE)"),
        (["hexagon", "--classes", "0", "1"], "--classes is not for the sample hexagon"),
        (["hexagon", "--scale", "rows"], "--scale is not for the sample hexagon"),
        (["hexagon", "--points", "3"], "--points is not for the sample hexagon"),
        (["bad.csv"], "bad.csv must have 2 numbers and a label in row 1"),
        (["bad.npz"], "bad.npz must hold arrays x and y"),
        (["empty.csv"], "empty.csv must have rows of numbers with a label last, got none"),
        (["thin.csv"], "thin.csv must have rows of numbers with a label last, got none"),
        (["hexagon", "--eps", "-1"], "rho must be at least 0, got -1"),
        (["hexagon", "--width", "7"], "width must be"),
        (["hexagon", "--out", "run.txt"], "--out must end in .json, got run.txt"),
        (["hexagon", "--device", "warp"], "--device must be a device such as"),
        (["hexagon", "--budget", "big"], "argument --budget: invalid choice: 'big'"),
        (["hexagon", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["hexagon", "--store", "none/run"], "--store must be in a directory that exists"),
    ],
)
def test_what_is_wrong_with_train_is_one_line(
    call: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text("0,1,1\n1,x,-1\n", encoding="utf-8")
    Path("bad.npz").write_bytes(b"PK")
    Path("empty.csv").write_text("", encoding="utf-8")
    Path("thin.csv").write_text("1\n-1\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["train", *call])
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"python -m robustlib train: error: {words}")


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
    torch_here = metadata.version("torch")
    assert f"torch {torch_here}" in said
    assert f"torch 0.1 is loaded, {torch_here} is installed" in said
    assert "MKL_NUM_THREADS=3" in said
    assert "For ghosts: lacks no_such_module, no-such-program: ask one\n" in said
    monkeypatch.setattr(doctor, "NEEDED", {"no-such-package": "", "torch": "1000.1"})
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "MISSING: no-such-package: pip install no-such-package\n" in said
    assert said.endswith(f"TOO OLD: torch {torch_here}: pip install 'torch>=1000.1'\n")


def test_doctor_knows_all_that_the_library_needs() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    asked = {name: oldest for name, _, oldest in (need.partition(">=") for need in needed)}
    assert asked == doctor.NEEDED
