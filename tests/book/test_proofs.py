"""The formal proofs: what turns the check red, and that the book and Coq state the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from layout import ROOT

from robustlib.book.claims.formal import FORMAL

PROOFS = ROOT / "proofs"
sys.path.insert(0, str(PROOFS))
import bridge  # noqa: E402
import check  # noqa: E402

pytestmark = pytest.mark.xdist_group("proofs")  # one worker, so that what is built is built once

COQ = shutil.which("coqc") is not None
needs_coq = pytest.mark.skipif(
    not COQ and os.environ.get("ROBUSTLIB_COQ") != "required", reason=check.MISSING
)
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
each_theorem = pytest.mark.parametrize(
    ("label", "name"), [(label, formal.file) for label, formal in FORMAL.items()]
)


def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROOFS, tmp_path / "proofs"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    """One deliberate error in the statement or proof of a file."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    start = text.index("Theorem ") if "Theorem " in text else 0
    assert old in text[start:], f"{name} no longer has {old!r}"
    path.write_text(text[:start] + text[start:].replace(old, new, 1), encoding="utf-8")


def words(text: str) -> str:
    return " ".join(text.split())


# File, text and what it becomes: weaker hypotheses, stronger conclusions, a step left out.
BOUND = "norm (net_gradient m a sigma' w x) <= C0"
EXCESS = "served 1 (w (T - 1)%nat) >= robust + 1 / 2"
FEASIBLE = "(forall i, (i < n)%nat -> B i (x i)) ->"
ZERO = "net (2 * h) a sigma w x = 0"
STEP = "exists (x i). split; [apply Hx, Hi|reflexivity]."
WIDTH = "INR m >= (2 * L * C1 * Rad ^ 2 / eps) ^ 2"
LEAST = "if Nat.leb s 3 then"
RATIO = "1 / 2 <= rho <= 1"
ROOM = "(2 <= k <= d + 1)%nat"
ERRORS = {
    "narrower network": ("thm_two_layer.v", WIDTH, WIDTH.replace("2 * L", "L")),
    "constant halved": ("lem_curvature.v", BOUND, BOUND + " / 2"),
    "strict sign": ("prop_last_round.v", EXCESS, EXCESS.replace(">=", ">")),
    "hypothesis dropped": ("lem_frozen.v", FEASIBLE, ""),
    "another value": ("prop_symmetric.v", ZERO, ZERO.replace("= 0", "= 1")),
    "one unit too many": ("prop_line.v", LEAST, LEAST.replace("3", "4")),
    "smaller balls": ("prop_maximum_norm.v", RATIO, RATIO.replace("1 / 2", "1 / 4")),
    "no room": ("thm_capacity.v", ROOM, ROOM.replace("+ 1", "+ 2")),
    "another odd number": ("prop_pairs.v", "(k = 3)%nat", "(k = 5)%nat"),
    "step left out": ("lem_frozen.v", STEP, ""),
}


@pytest.mark.parametrize("error", [error for error in ERRORS if error != "step left out"])
def test_a_changed_statement_is_red_without_coq(tmp_path: Path, error: str) -> None:
    folder = copy(tmp_path)
    assert check.changed(folder) == []
    change(folder, *ERRORS[error])
    assert check.changed(folder) != []


@needs_coq
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_red_for_coq_where_its_statement_was_stored(tmp_path: Path, error: str) -> None:
    folder = copy(tmp_path)
    change(folder, *ERRORS[error])
    theorem = Path(ERRORS[error][0]).stem
    (folder / check.STORED).write_text(check.statements(folder), encoding="utf-8")
    assert check.changed(folder) == []
    red = check.proved(check.needed_by([theorem], check.sources(folder)))
    assert len(red) == 1
    assert red[0].startswith(f"{theorem}.v: coqc refuses it")


@needs_coq
def test_coq_names_an_axiom(tmp_path: Path) -> None:
    """Without the list of words an axiom is red too: coqc's own account names it."""
    folder = copy(tmp_path)
    path = folder / "prop_symmetric.v"
    text = path.read_text(encoding="utf-8")
    statement = bridge.statement(path.name)
    start = text[: text.index("Theorem ")]
    path.write_text(
        f"{start}Variable cheat : False.\n{statement}\nProof. destruct cheat. Qed.\n",
        encoding="utf-8",
    )
    files = check.needed_by(["prop_symmetric"], check.sources(folder))
    (red,) = check.proved(files)
    assert re.fullmatch(r"prop_symmetric rests on (\w+\.)*cheat", red)
    assert len(check.cheats(path)) == 1


@pytest.mark.parametrize(
    "cheat",
    [
        "Lemma a : False. Proof. Admitted.",
        "Lemma a : False. Proof. admit. Qed.",
        "Axiom a : False.",
        "Parameter a : False.",
        "Conjecture a : False.",
        "Variable a : False.",
        "Hypothesis a : False.",
        "Unset Guard Checking.",
        "Theorem another : True. Proof. easy. Qed.",
    ],
)
def test_a_file_that_cheats_is_red(tmp_path: Path, cheat: str) -> None:
    path = tmp_path / "Tool.v"
    path.write_text(f"(* Axiom: a word in a comment is none. *)\n{cheat}\n", encoding="utf-8")
    assert len(check.cheats(path)) == 1


def test_what_a_section_assumes_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "Tool.v"
    path.write_text("Section A.\nVariable a : nat.\nEnd A.\n", encoding="utf-8")
    assert check.cheats(path) == []


def test_what_is_stated_is_told_from_what_is_proved() -> None:
    text = (
        "Lemma a : 1 = 1. Proof. (* Qed. *) easy. Qed. Definition b : R. Proof. exact 1. Defined.\n"
    )
    assert list(check.stated(text)) == ["Definition b : R", "exact 1"]
    assert check.without_comments("a (* b (* c *) d *) e").split() == ["a", "e"]


def test_every_theorem_belongs_to_a_statement_of_the_book() -> None:
    theorems = {path.name for path in check.sources(PROOFS).values() if check.theorem(path)}
    assert {formal.file for formal in FORMAL.values()} == theorems
    assert len(theorems) >= 12
    assert {"thm_two_layer.v", "prop_pairs.v", "thm_capacity.v"} <= theorems


@pytest.mark.parametrize(("required", "status"), [("", 0), ("required", 1)])
def test_a_missing_coqc_is_said(tmp_path: Path, required: str, status: int) -> None:
    run = subprocess.run(
        [sys.executable, PROOFS / "check.py"],
        env={"PATH": str(tmp_path), "ROBUSTLIB_COQ": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == check.MISSING
    assert run.returncode == status


def premises(statement: str) -> list[str]:
    """What follows each arrow outside of all brackets; the comment there names the book's words."""
    found, depth, comment = [], 0, 0
    for match in re.finditer(r"\(\*|\*\)|[()]|(?<!<)->", statement):
        token = match[0]
        comment += (token == "(*") - (token == "*)")
        if not comment and token in "()":
            depth += 1 if token == "(" else -1
        elif token == "->" and not comment and not depth:
            found.append(statement[match.end() :].lstrip())
    return found


@each_theorem
def test_every_hypothesis_names_the_words_of_the_book_or_says_that_it_is_ours(
    label: str, name: str
) -> None:
    for rest in premises(bridge.statement(name)):
        assert re.match(r"\(\* (book|ours): .*? \*\)", rest, re.S), f"{name}: {rest[:100]}"


@each_theorem
def test_formulas_and_constants_are_those_of_the_box(label: str, name: str) -> None:
    # where lines are broken is no part of a formula
    layout = re.compile(r"\\(begin|end)\{aligned\}|\\\\|&|\\q?quad(?![a-z])")
    box = words(layout.sub("", bridge.says(label)))
    quoted = re.findall(r"\(\* book: (.*?) \*\)", bridge.statement(name), re.S)
    assert quoted
    parts = [words(layout.sub("", fragment)) for fragment in quoted]
    assert [part for part in parts if part not in box] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_folds_in_the_chapters_are_current(path: Path) -> None:
    """Run `.venv/bin/python proofs/bridge.py` where this is red."""
    text = path.read_text(encoding="utf-8")
    assert bridge.updated(text) == text


@each_theorem
def test_every_theorem_has_its_fold(label: str, name: str) -> None:
    folds = [bridge.BEGIN.format(label=label) in path.read_text("utf-8") for path in NOTEBOOKS]
    assert sum(folds) == 1


def test_the_page_on_reading_shows_what_the_files_say() -> None:
    page = (ROOT / "chapters" / "formal.md").read_text(encoding="utf-8")
    files = words("\n".join(path.read_text(encoding="utf-8") for path in PROOFS.glob("*.v")))
    shown = re.findall(r"```\{code-block\} coq\n(.*?)```", page, re.S)
    assert len(shown) >= 6
    for block in shown:
        for part in block.split("\n\n"):
            assert words(part) in files, part


def test_the_ledger_names_the_files() -> None:
    page = (ROOT / "chapters" / "ledger.md").read_text(encoding="utf-8")
    for label, formal in FORMAL.items():
        (row,) = re.findall(rf"^\| \{{prf:ref\}}`{label}`: .*$", page, re.M)
        assert f"| `{formal.file}` |" in row
    assert page.count(".v` |") == len(FORMAL)
