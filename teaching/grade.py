"""Marks a folder of notebooks: python teaching/grade.py FOLDER [--out FOLDER] [--assignment NAME].

Each submission is asked in confined processes of its own; its answers are judged here. Stopped
anywhere, the same command goes on: who has been marked is not marked again.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import confine
import feedback
from session import Limits, Place, StartError, session
from submission import Submission, assignment_of, found, library_calls

from robustlib.book.assignments import ASSIGNMENTS
from robustlib.book.assignments.task import Outcome
from robustlib.commands.wrong import Parser, WrongCall
from robustlib.files import replace

ROOT = Path(__file__).resolve().parents[1]
USERS = 1000  # numbers of users from 61000 on, one a worker
FORMAT = 1  # of the records: a new one is marked anew
HIDDEN = ("chapters", "teaching", "tests", "proofs", "_build", ".git", ".ci", ".github")


def marked(submission: Submission, stem: str, seed: int, place: Place, limits: Limits) -> Any:
    """The record of one submission: data that a file can hold."""
    tasks = []
    with session(submission.cells, place, limits) as child:
        for task in ASSIGNMENTS[stem]:

            def ask(*arguments: object, name: str = task.name) -> object:
                return child.ask(name, arguments)

            outcomes = task.judged(ask, seed) if not submission.fault else ()
            tasks.append(
                {
                    "number": task.number,
                    "title": task.title,
                    "call": task.call,
                    "of": task.points,
                    "points": sum(outcome.points for outcome in outcomes),
                    "parts": [_part(outcome) for outcome in outcomes],
                    "library": library_calls(submission, task),
                }
            )
        errors = {str(number): text for number, text in child.errors.items()}
    return {
        "student": submission.student,
        "assignment": stem,
        "fault": submission.fault,
        "tasks": tasks,
        "errors": errors,
    }


def _part(outcome: Outcome) -> dict[str, Any]:
    miss = outcome.miss
    return {
        "checks": outcome.part.checks,
        "counts": outcome.counts,
        "miss": None if miss is None else [miss.question, miss.why, miss.hint],
    }


class Desk:
    """The folder of results: a seed that only the grader knows, records, pages, the table."""

    def __init__(self, out: Path) -> None:
        out.chmod(0o700)
        for name in ("records", "feedback"):
            (out / name).mkdir(exist_ok=True)
        self.out = out
        self._lock = open(out / "lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WrongCall(f"another grader is at work in {out}") from None
        # working folders lie where another user can reach them; those of a killed grader go
        if (out / "work").exists():
            shutil.rmtree((out / "work").read_text(), ignore_errors=True)
        self.work = Path(tempfile.mkdtemp(prefix="robustlib-"))
        self.work.chmod(0o711)
        replace(out / "work", [str(self.work).encode()])
        if not (out / "seed").exists():
            replace(out / "seed", [str(secrets.randbits(60)).encode()])
        (out / "seed").chmod(0o600)
        self.seed = int((out / "seed").read_text())

    def close(self) -> None:
        """Let another grader in."""
        shutil.rmtree(self.work, ignore_errors=True)
        self._lock.close()

    def path(self, submission: Submission) -> Path:
        """Where the record lies: the name may hold anything, the file's name does not."""
        name = hashlib.sha256(submission.student.encode()).hexdigest()[:24]
        return self.out / "records" / f"{name}.json"

    def key(self, submission: Submission, stem: str) -> str:
        """What the record is of: other bytes, another assignment or another seed is marked anew."""
        parts = [str(FORMAT), stem, str(self.seed), submission.student, submission.fault]
        digest = hashlib.sha256("\0".join(parts).encode() + b"\0" + submission.data)
        return digest.hexdigest()

    def known(self, submission: Submission, stem: str) -> Any:
        """The record, where there is one of exactly this."""
        try:
            record = json.loads(self.path(submission).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if record["key"] == self.key(submission, stem) else None

    def keep(self, submission: Submission, stem: str, record: Any) -> Any:
        """Write the record, whole or not at all."""
        record = record | {"key": self.key(submission, stem)}
        replace(self.path(submission), [json.dumps(record).encode()])
        return record


def table(records: list[Any], stem: str) -> str:
    """The CSV: a row a student, points by task, empty columns for what is marked by hand."""
    numbers = [task.number for task in ASSIGNMENTS[stem]]
    by_hand = [f"{stem[0]}.1", f"{stem[0]}.{max(int(n.split('.')[1]) for n in numbers) + 1}"]
    columns = sorted(numbers + by_hand)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", *columns, "by program", "of", "state", "look at"])
    for record in records:
        points = {task["number"]: task["points"] for task in record["tasks"]}
        state = record["fault"] or ("cells failed" if record["errors"] else "ok")
        look = [
            f"{task['number']} calls {', '.join(task['library'])}"
            for task in record["tasks"]
            if task["library"]
        ]
        total, of = sum(points.values()), sum(task["of"] for task in record["tasks"])
        row = [points.get(column, "") for column in columns]
        writer.writerow([_cell(record["student"]), *row, total, of, state, "; ".join(look)])
    return text.getvalue()


def _cell(text: str) -> str:
    """A name as a spreadsheet shows it: one that begins like a formula is none."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def grade(folder: Path, out: Path, stem: str | None, workers: int, limits: Limits) -> Path:
    """Mark all of ``folder``; the path of the table."""
    submissions = found(folder)
    if not submissions:
        raise WrongCall(f"FOLDER must have notebooks (*.ipynb), {str(folder)!r} has none")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongCall(f"--out must be a folder, got {str(out)!r}: {error.strerror}") from None
    stem = stem or assignment_of(submissions)
    desk, level = Desk(out), confine.level()
    print(f"{len(submissions)} submissions to {stem}; confined by {level}: {confine.LEVELS[level]}")
    hidden = [folder, out, *(ROOT / name for name in HIDDEN)]
    users: SimpleQueue[int] = SimpleQueue()
    for user in range(61_000, 61_000 + workers):
        users.put(user)
    done = 0

    def one(submission: Submission) -> Any:
        nonlocal done
        record = desk.known(submission, stem)
        if record is None:
            user, start = users.get(), time.monotonic()
            place = Place(level, desk.work, tuple(hidden), user)
            try:
                record = desk.keep(
                    submission, stem, marked(submission, stem, desk.seed, place, limits)
                )
            finally:
                users.put(user)
            done += 1
            points = sum(task["points"] for task in record["tasks"])
            print(
                f"  {submission.student}: {points} ({time.monotonic() - start:.1f} s)", flush=True
            )
        return record

    with ThreadPoolExecutor(workers) as pool:
        records = list(pool.map(one, submissions))
    for submission, record in zip(submissions, records, strict=True):
        name = desk.path(submission).stem
        replace(out / "feedback" / f"{name}.html", [feedback.page(record).encode()])
    desk.close()
    _index(out, records, [desk.path(s).stem for s in submissions])
    replace(out / "marks.csv", [table(records, stem).encode()])
    print(f"marked {done}, known before {len(records) - done}: {out / 'marks.csv'}")
    return out / "marks.csv"


def _index(out: Path, records: list[Any], names: list[str]) -> None:
    """Which page is whose, for mailing them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "page"])
    for record, name in zip(records, names, strict=True):
        writer.writerow([_cell(record["student"]), f"feedback/{name}.html"])
    replace(out / "pages.csv", [text.getvalue().encode()])


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = Parser(description="Mark a folder of notebooks.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="has NAME.ipynb, one a student")
    parser.add_argument("--out", type=Path, help="results (default: FOLDER-marks beside it)")
    parser.add_argument("--assignment", choices=ASSIGNMENTS, help="default: what they answer")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="at a time")
    parser.add_argument("--require-namespaces", action="store_true", help="refuse to do with less")
    options = parser.parse_args(arguments)
    if not 1 <= options.workers <= USERS:
        parser.error(f"--workers must be from 1 to {USERS}, got {options.workers}")
    if options.require_namespaces and not confine.level().startswith("namespaces"):
        sys.exit("there are no namespaces here; see the teacher's guide")
    if not os.path.isdir(options.folder):
        parser.error(f"FOLDER must be a folder of notebooks, got {str(options.folder)!r}")
    folder = Path(os.path.realpath(options.folder))
    if not folder.name:
        parser.error(
            f"FOLDER must have a name, beside which marks are written, got {str(folder)!r}"
        )
    out = Path(os.path.realpath(options.out or folder.with_name(f"{folder.name}-marks")))
    if out == folder or out in folder.parents:
        parser.error(f"--out must not be FOLDER or hold it, got {str(options.out)!r}")
    try:
        grade(folder, out, options.assignment, options.workers, Limits())
    except WrongCall as error:
        parser.error(str(error))
    except StartError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print(f"interrupted; marks so far are in {out}, the same command goes on", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
