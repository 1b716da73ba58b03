"""Check the formal proofs: words that cheat, statements that changed, coqc, and the axioms used.

    python proofs/check.py                   check everything
    python proofs/check.py lem_frozen        only this theorem and what it needs
    python proofs/check.py --write           store the statements anew (look at the diff)

Needs Coq 8.16 with Coquelicot for the last two steps. Where coqc is missing they are skipped with
a sentence how to get it, and the exit status is 0; with ROBUSTLIB_COQ=required it is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# The axioms of Coq's real numbers and of the classical analysis built on them. No other is allowed.
ALLOWED = {
    "ClassicalDedekindReals.sig_forall_dec",
    "ClassicalDedekindReals.sig_not_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "Classical_Prop.classic",
}
CHEATS = re.compile(
    r"\b(Admitted|admit|give_up|Axioms?|Parameters?|Conjectures?|Abort|bypass_check|Load|"
    r"(?:Un)?[Ss]et\s+(?:Guard|Positivity|Universe)\s+Checking|Declare\s+ML)\b"
)
# Without a section these would be axioms. (coqc has the last word: see `assumptions`.)
ASSUMED = re.compile(r"(Variables?|Hypothes[ie]s|Context)\b")
MISSING = (
    "coqc is missing, so the formal proofs were not checked: on Debian or Ubuntu "
    "`apt-get install coq libcoq-coquelicot` brings it."
)
STORED = "statements.txt"
NAME = "Robust"


def without_comments(text: str) -> str:
    """Coq source with every comment, nested ones too, replaced by a blank."""
    kept, depth = [], 0
    for token in re.split(r"(\(\*|\*\))", text):
        if token == "(*":
            depth += 1
        elif token == "*)" and depth:
            depth -= 1
            kept.append(" ")
        elif not depth:
            kept.append(token)
    return "".join(kept)


def sentences(text: str) -> list[str]:
    """The sentences of a Coq source, each on one line, without comments and final dots."""
    parts = re.split(r"\.(?=\s|$)", without_comments(text))
    return [" ".join(part.split()) for part in parts if part.strip()]


def stated(text: str) -> Iterator[str]:
    """What a file says rather than proves: theorems, definitions, notations, sections, imports.

    Lemmas are steps of proofs, and proofs are coqc's business; a definition made by tactics stays.
    """
    proof: list[str] | None = None
    lemma = False
    for sentence in sentences(text):
        sentence = re.sub(r"^([-+*]+|[{}])+ *", "", sentence)
        if proof is None and sentence.startswith("Proof"):
            proof = []
        elif sentence in ("Qed", "Defined"):
            if sentence == "Defined" and not lemma:
                yield from proof or []
            proof = None
        elif proof is not None:
            proof.append(sentence)
        else:
            lemma = sentence.startswith("Lemma ")
            if not lemma and not sentence.startswith("Ltac "):
                yield sentence


def theorem(path: Path) -> str | None:
    """Name of the theorem in a file, which is the file's own; None for a file of tools."""
    return path.stem if path.stem[0].islower() else None


def sources(folder: Path) -> dict[str, Path]:
    """All files by name, each after those that it imports."""
    found = {path.stem: path for path in sorted(folder.glob("*.v"))}
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name in found and name not in order:
            for needed in imports(found[name]):
                visit(needed)
            order[name] = found[name]

    for name in found:
        visit(name)
    return order


def imports(path: Path) -> list[str]:
    pattern = re.compile(rf"From {NAME} Require Import ([^.]+)")
    lines = [pattern.match(line) for line in sentences(path.read_text(encoding="utf-8"))]
    return [name for match in lines if match for name in match[1].split()]


def needed_by(names: list[str], files: dict[str, Path]) -> dict[str, Path]:
    """The part of ``files`` that ``names`` and their imports make up, in the same order."""
    wanted, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in files:
            raise SystemExit(f"{name} is no file of {', '.join(files)}")
        if name not in wanted:
            wanted.add(name)
            waiting += imports(files[name])
    return {name: path for name, path in files.items() if name in wanted}


def cheats(path: Path) -> list[str]:
    """Words that would let a file pass without a proof, and assumptions outside a section."""
    text = path.read_text(encoding="utf-8")
    bad = [
        f"{path.name}: `{word}` is not allowed" for word in CHEATS.findall(without_comments(text))
    ]
    depth = 0
    for sentence in sentences(text):
        depth += sentence.startswith("Section ") - sentence.startswith("End ")
        if depth == 0 and ASSUMED.match(sentence):
            bad.append(f"{path.name}: `{sentence}` outside a section is an axiom")
    name = theorem(path)
    stems = re.findall(r"^(?:Theorem|Corollary)\s+(\w+)", without_comments(text), re.M)
    if stems != ([name] if name else []):
        wanted = f"one theorem, {name}" if name else "no theorem"
        bad.append(f"{path.name}: holds the theorems {stems}, should hold {wanted}")
    return bad


def statements(folder: Path) -> str:
    """All that is stated in all files: the text that a change of a statement changes."""
    lines = []
    for name, path in sorted(sources(folder).items()):
        lines += [f"== {name}", *stated(path.read_text(encoding="utf-8")), ""]
    return "\n".join(lines)


def changed(folder: Path) -> list[str]:
    """The statements that differ from the stored ones."""
    stored = folder / STORED
    old = stored.read_text(encoding="utf-8").splitlines() if stored.exists() else []
    new = statements(folder).splitlines()
    gone = [f"{STORED}: no longer stated: {line}" for line in old if line not in new]
    return gone + [f"{STORED}: not stored: {line}" for line in new if line not in old]


def coq(arguments: list[str], folder: Path) -> tuple[int, str]:
    command = ["coqc", "-q", "-w", "none", "-Q", ".", NAME, *arguments]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def proved(files: dict[str, Path]) -> list[str]:
    """Compile in a temporary folder, then ask coqc for the axioms that each theorem rests on."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in files.values():
            shutil.copy(path, folder)
        for name, path in files.items():
            status, output = coq([path.name], folder)
            if status:
                return [f"{path.name}: coqc refuses it\n{output.strip()}"]
            print(f"  {name}", flush=True)
        return assumptions([name for name, path in files.items() if theorem(path)], folder)


def assumptions(names: list[str], folder: Path) -> list[str]:
    """Axioms that the theorems of these names rest on and that are not allowed."""
    lines = [f"From {NAME} Require {name}.\nPrint Assumptions {name}.{name}." for name in names]
    question = folder / "Question.v"
    question.write_text("\n".join(lines), encoding="utf-8")
    status, output = coq([question.name], folder)
    answers = re.split(r"^(?=Axioms:$|Closed under the global context$)", output, flags=re.M)[1:]
    if status or len(answers) != len(names):
        return [f"coqc does not say what the theorems rest on\n{output.strip()}"]
    bad = []
    for name, answer in zip(names, answers, strict=True):
        found = re.findall(r"^([\w.']+)(?=\s|$)", answer.partition("\n")[2], re.M)
        bad += [f"{name} rests on {axiom}" for axiom in found if axiom not in ALLOWED]
    return bad


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check the formal proofs.")
    parser.add_argument("names", nargs="*", metavar="THEOREM", help="default: all")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="of the proofs")
    parser.add_argument("--write", action="store_true", help="store the statements anew")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if options.write:
        (folder / STORED).write_text(statements(folder), encoding="utf-8")
    files = sources(folder)
    files = needed_by(options.names, files) if options.names else files
    bad = [line for path in files.values() for line in cheats(path)] + changed(folder)
    found = shutil.which("coqc")
    if not bad and found:
        bad = proved(files)
    if bad:
        print(*bad, sep="\n", file=sys.stderr)
        return 1
    if not found:
        print(MISSING)
        return int(os.environ.get("ROBUSTLIB_COQ") == "required")
    print(f"{sum(theorem(path) is not None for path in files.values())} theorems proved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
