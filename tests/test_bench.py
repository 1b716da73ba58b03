"""Contests and their table, with rows that are made up: no time is asserted."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robustlib.__main__ import main
from robustlib.commands.contest import Contest, Result, Side, hold, timed
from robustlib.commands.page import page_of

ROOT = Path(__file__).parents[1]
MODULE = """
from robustlib.commands.contest import Contest

def contests(budget):
    yield Contest(f"work of {budget}", "the least", lambda: 3.0, lambda: 2.0,
                  {"slow": lambda: 4.5, "gone": "not installed"})
"""


def side(*seconds: float) -> Side:
    """A side with these seconds, one run after the other."""
    told: Iterator[float] = iter(seconds)
    return lambda: next(told)


def unable() -> float:
    raise NotImplementedError("no l1")


def broken() -> float:
    raise RuntimeError("bad\nshape")


def test_the_least_time_counts_but_not_the_first_run() -> None:
    ours, limit, peer = side(0.1, 6, 5, 7), side(0.1, 4, 9, 2.5), side(9, 20, 10, 15)
    peers: dict[str, Side | str] = {"peer": peer, "gone": "not installed"}
    peers |= {"cannot": unable, "broken": broken}
    assert hold(Contest("work", "least", ours, limit, peers, runs=3)) == Result(
        "work",
        "least",
        2.0,
        {
            "peer": 2.0,
            "gone": "not installed",
            "cannot": "no l1",
            "broken": "RuntimeError: bad shape",
        },
    )


def test_sides_take_turns_and_only_the_work_is_timed() -> None:
    order: list[str] = []
    sides = [timed(lambda name=name: order.append(name)) for name in ("ours", "limit", "peer")]
    hold(Contest("work", "", sides[0], sides[1], {"peer": sides[2]}, runs=2))
    assert order == 3 * ["ours", "limit", "peer"]
    assert hold(Contest("work", "", side(1, 1), None, runs=1)).ours is None


def test_our_own_error_is_no_row() -> None:
    with pytest.raises(RuntimeError, match="bad"):
        hold(Contest("work", "", broken))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr("sys.path", sys.path.copy())
    made = tmp_path / "benchmarks"
    made.mkdir()
    (made / "one.py").write_text(MODULE, encoding="utf-8")
    (made / "two.py").write_text(MODULE.replace("3.0", "1 / 0"), encoding="utf-8")
    (made / "helper.py").write_text("", encoding="utf-8")
    return made


def test_bench_writes_table_and_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = folder / "bench.json", folder / "speed.md"
    call = ["bench", "--folder", str(folder), "--budget", "smoke", "--out", str(out)]
    assert main([*call, "--page", str(page)]) == 1
    said = capsys.readouterr()
    expected = "work of smoke: 1.50 of the limit; slow 1.50 times ours; gone not installed\n"
    assert said.out == expected
    assert said.err == "two: ZeroDivisionError: division by zero\n"
    held = json.loads(out.read_text(encoding="utf-8"))
    assert held["one"]["rows"][0]["peers"] == {"slow": 1.5, "gone": "not installed"}
    assert held["two"]["rows"] == []
    text = page.read_text(encoding="utf-8")
    assert text == page_of(held, None)
    assert "| work | limit | ours over the limit | slow over ours | gone over ours |" in text
    assert "| work of smoke | the least | 1.50 | 1.50 | not installed |" in text
    assert "## Two\n\nNo row was measured." in text
    assert "It was not run: no GPU was at hand" in text
    (folder / "two.py").write_text(MODULE, encoding="utf-8")
    assert main([*call, "--only", "two"]) == 0
    again = json.loads(out.read_text(encoding="utf-8"))
    assert again["one"] == held["one"]  # kept
    assert len(again["two"]["rows"]) == 1


def test_a_row_is_seen_before_the_next_is_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a pipe, whose reader sees what was flushed."""
    second = 'yield Contest("2nd", "", lambda: b"limit" in sys.stdout.buffer.getvalue(), lambda: 1)'
    code = f"import sys{MODULE}    {second}\n"
    (folder / "one.py").write_text(code, encoding="utf-8")
    out = folder / "bench.json"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert main(["bench", "--folder", str(folder), "--only", "one", "--out", str(out)]) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))["one"]["rows"]
    assert rows[1]["ours"] == 1


def test_what_is_wrong_with_bench_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "other.json"
    out.write_text("[1]", encoding="utf-8")
    call = ["bench", "--folder", str(folder)]
    for options, words in (
        (["--folder", str(folder / "none")], "--folder must hold benchmarks"),
        (["--only", "three"], "--only must name files of"),
        (["--only", "one", "--out", str(out)], "is no table of bench; it is left as is"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([*call, *options])
        (said,) = capsys.readouterr().err.splitlines()
        assert words in said
    monkeypatch.delenv("MKL_NUM_THREADS")
    with pytest.raises(SystemExit, match="2"):
        main(call)
    assert "MKL_NUM_THREADS=1" in capsys.readouterr().err


def test_a_table_of_a_gpu_is_shown_with_its_name() -> None:
    row = {"kind": "values", "what": "net_1", "found": "2e-16", "wanted": "at most 1e-13"}
    found = {"device": "A card", "torch": "2.13.0", "date": "2026-11-30", "seconds": 9}
    page = page_of({}, found | {"rows": [row | {"right": True}, row | {"right": None}]})
    assert "on 2026-11-30, A card, torch 2.13.0, in 9 s." in page
    assert "| net\\_1 | 2e-16 | at most 1e-13 | right |\n" in page
    assert "It was not run" not in page


def test_the_page_of_the_book_is_what_was_measured() -> None:
    held = json.loads((ROOT / "benchmarks" / "bench.json").read_text(encoding="utf-8"))
    gpu = ROOT / "benchmarks" / "gpu.json"
    found = json.loads(gpu.read_text(encoding="utf-8")) if gpu.exists() else None
    page = (ROOT / "chapters" / "speed.md").read_text(encoding="utf-8")
    assert page == page_of(held, found), "make bench writes it, nobody else"
    assert all(group["rows"] for group in held.values())
