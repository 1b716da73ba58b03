"""Statements and claims belong together: none of either without the other, and a fresh ledger."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robustlib.__main__ import main
from robustlib.book.claims import Verdict, check, claims
from robustlib.book.claims.ledger import ledger_page
from robustlib.book.claims.unchecked import UNCHECKED
from robustlib.commands import claims as command
from robustlib.commands.claims import without_seconds

CHAPTERS = Path(__file__).parents[2] / "chapters"
SMOKE = Path(__file__).with_name("smoke.txt")
# Claims whose statement asks for more than can be run: they hold, and are not counted as held.
BELOW = {"theorem-a"}
STATEMENT = re.compile(
    r"^`{3,}\{prf:(?:theorem|lemma|proposition|corollary)\}.*?\n(?::.*\n)*?:label: (\S+)", re.M
)


def statements() -> dict[str, str]:
    """Label of every numbered statement of the book, and the chapter it stands in."""
    found: dict[str, str] = {}
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            if cell["cell_type"] == "markdown":
                found |= dict.fromkeys(STATEMENT.findall("".join(cell["source"])), path.stem)
    return found


def test_every_statement_has_a_claim_or_a_reason() -> None:
    known = {found.statement for found in claims()} | set(UNCHECKED)
    assert sorted(set(statements()) - known) == []
    assert all(reason.strip() for reason in UNCHECKED.values())


def test_every_claim_has_a_statement_in_its_chapter() -> None:
    assert len(statements()) >= 6  # the pattern above still finds what it is for
    assert {c.statement: c.chapter for c in claims()} == {
        c.statement: statements().get(c.statement) for c in claims()
    }


def test_every_statement_is_labelled() -> None:
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        numbered = len(re.findall(r"`{3,}\{prf:(?:theorem|lemma|proposition|corollary)\}", text))
        assert numbered == sum(chapter == path.stem for chapter in statements().values()), path


def said() -> dict[str, str]:
    """What each claim says at the budget smoke, as ``smoke.txt`` has it."""
    blocks = SMOKE.read_text(encoding="utf-8").split("\n\n")
    return {re.search(r"\((\S+)\)$", b.split("\n")[0])[1]: b for b in blocks if "\n  ran " in b}


@pytest.mark.parametrize("id", [found.id for found in claims()])
def test_claim_holds(id: str) -> None:
    """And says what is stored: numbers are printed to the digits that they carry."""
    verdict = check(id, budget="smoke")
    assert not verdict.fails, verdict
    assert verdict.holds == (id not in BELOW), verdict
    assert repr(verdict) == said()[id]


def test_the_ledger_in_the_book_is_the_one_of_these_claims() -> None:
    """Everything but seconds; the numbers themselves belong to the laptop budget."""
    page = (CHAPTERS / "ledger.md").read_text(encoding="utf-8")
    written = re.findall(r"\[(\S+)\]\(claim-\S+\) \| ([A-Z ]+) \|", page)
    expected = {
        found.id: "RUN BELOW ITS SIZE" if found.id in BELOW else "HOLDS" for found in claims()
    }
    assert written == list(expected.items())
    for found in claims():
        assert f"## {found.title}" in page


def test_command_line_writes_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, page = tmp_path / "verdicts.json", tmp_path / "ledger.md"
    arguments = ["claims", "sandwich", "--budget", "smoke", "--out", str(file)]
    assert main([*arguments, "--page", str(page)]) == 0
    (verdict,) = json.loads(file.read_text(encoding="utf-8"))
    assert verdict["status"] == "HOLDS"
    assert verdict["claim"]["statement"] == "lem-sandwich"
    assert "1 of 1 claims hold" in capsys.readouterr().out
    first = page.read_bytes()
    assert main([*arguments, "--page", str(page)]) == 0
    assert page.read_bytes() == first  # other seconds are no reason to write


def test_verdicts_are_written_as_they_come_and_in_plain_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, done = tmp_path / "verdicts.json", check("sandwich", budget="smoke")
    assert done.evidence is not None
    odd = replace(done.evidence, value=np.float64(0.5), holds=np.bool_(True), ratio=math.inf)
    interval = (np.float32(0.25), torch.tensor(0.75))
    odd = replace(odd, interval=interval)

    def stops(id: str, **how: object) -> Verdict:
        if id == "curvature":
            raise KeyboardInterrupt
        return replace(done, evidence=odd)

    monkeypatch.setattr(command, "check", stops)
    assert main(["claims", "sandwich", "curvature", "--budget", "smoke", "--out", str(file)]) == 130
    said = capsys.readouterr().err
    assert said == (f"python -m robustlib claims: interrupted; the verdicts so far are in {file}\n")
    (verdict,) = json.loads(file.read_text(encoding="utf-8"))
    seen = verdict["evidence"]
    assert (seen["value"], seen["holds"], seen["ratio"]) == (0.5, True, "inf")
    assert seen["interval"] == [0.25, 0.75]


def test_a_claim_below_its_size_is_no_failure_and_not_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = check("sandwich", budget="smoke")
    small = replace(done, status="RUN BELOW ITS SIZE", reason="m = 8")
    monkeypatch.setattr(command, "check", lambda id, **how: small)
    assert main(["claims", "sandwich", "--budget", "smoke"]) == 0
    seen = capsys.readouterr().out
    assert "0 of 1 claims hold" in seen
    assert "run below its size: sandwich" in seen
    page = ledger_page([small])
    assert "**0 of 1 claims hold**, 1 run below its size" in page
    monkeypatch.setattr(command, "check", lambda id, **how: replace(done, status="DOES NOT HOLD"))
    assert main(["claims", "sandwich", "--budget", "smoke"]) == 1


def test_command_line_refuses_an_unknown_claim(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["claims", "sandwhich"])
    assert stopped.value.code == 2
    assert "did you mean 'sandwich'" in capsys.readouterr().err


def test_command_line_refuses_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["sandwich", "sandwhich"], ["sandwich", "--out", f"{tmp_path}/no/a.json"]):
        with pytest.raises(SystemExit) as stopped:
            main(["claims", *arguments, "--budget", "smoke"])
        assert stopped.value.code == 2
        seen = capsys.readouterr()
        assert seen.out == ""
        assert len(seen.err.splitlines()) == 1
        assert "did you mean" in seen.err or "directory that exists" in seen.err


def test_ledger_escapes_what_markdown_would_read() -> None:
    verdict = check("sandwich", budget="smoke")
    other = {"lem-other": "its proof is quoted"}
    page = ledger_page([verdict], other)
    assert "<i>L</i><sub>A</sub> − <i>L</i><sub>∗</sub> ≤ 0" in page
    assert "{prf:ref}`lem-other`: its proof is quoted" in page
    assert "| {doc}`1 <01-robust-loss>` | [sandwich](claim-sandwich) | HOLDS |" in page
    assert "0.0" not in page.split("## ")[0]  # no seconds in the table
    assert verdict.evidence is not None
    short = replace(verdict.evidence.control, short="wider | sets")
    known = replace(verdict, evidence=replace(verdict.evidence, control=short, ratio=0.4567))
    assert r"| HOLDS |  | 0.46 | wider \| sets |" in ledger_page([known])
    later = ledger_page([replace(verdict, seconds=verdict.seconds + 41)], other)
    assert later != page
    assert without_seconds(later) == without_seconds(page)
    with pytest.raises(ValueError, match="verdicts must not be empty"):
        ledger_page([])
