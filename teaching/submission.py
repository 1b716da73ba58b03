"""Submissions as files: what is one, what cells it has, which assignment it answers."""

from __future__ import annotations

import ast
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from robustlib.book.assignments import ASSIGNMENTS
from robustlib.book.assignments.task import Task

_LARGEST = 20 * 2**20

# What the library has for a task: an answer that calls it is for a person to look at.
LIBRARY = {
    "1.2": {"L2Ball", "LinfBall", "L1Ball", "LinearMax"},
    "1.3": {"SphereCap"},
    "1.4": {"PGD", "FGSM", "APGD", "Square"},
    "2.2": {"ntk"},
    "2.3": {"empirical_ntk"},
    "2.4": {"linearize", "LinearizedNet"},
    "3.2": {"L2Ball", "adversarial_training"},
    "3.4": {"adversarial_training", "FGSM", "PGD"},
    "4.3": {"kernel_regression", "KernelRegression"},
    "4.4": {"min_norm_interpolant"},
    "5.2": {"hypercube_gadget", "simplex_gadget"},
    "5.3": {"check_shattering"},
    "5.4": {"line_net", "narrowest_net"},
}


@dataclass(frozen=True)
class Submission:
    """A student's name, the bytes handed in, its code cells, and why it could not be read."""

    student: str
    data: bytes = b""
    cells: list[str] = field(default_factory=list)
    fault: str = ""


def found(folder: Path) -> list[Submission]:
    """All notebooks below ``folder``, by name; links are named, never followed."""
    paths = []
    for here, _, names in os.walk(folder, followlinks=False):
        paths += [Path(here) / name for name in names if name.lower().endswith(".ipynb")]
    ordered = sorted(path.relative_to(folder) for path in paths)
    return [_read(folder / path, str(path)[: -len(".ipynb")]) for path in ordered]


def _read(path: Path, student: str) -> Submission:
    student = student.encode(errors="replace").decode()
    try:
        # one look: what is opened is what is checked; a pipe would wait for a writer
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Submission(student, fault="is no file")
            if status.st_size > _LARGEST:
                return Submission(student, fault=f"has {status.st_size // 2**20} MiB")
            data = file.read(_LARGEST + 1)
    except OSError as error:
        link = path.is_symlink()
        return Submission(
            student, fault="is a link" if link else f"cannot be read: {error.strerror}"
        )
    try:
        return Submission(student, data, _cells(json.loads(data.decode("utf-8-sig"))))
    except UnicodeDecodeError:
        return Submission(student, data, fault="is not in UTF-8")
    except (ValueError, RecursionError):
        return Submission(student, data, fault="is no notebook: its JSON cannot be read")
    except (TypeError, KeyError, AttributeError):
        return Submission(student, data, fault="is no notebook: it has no list of cells")


def _cells(notebook: object) -> list[str]:
    """The sources of its code cells; metadata and outputs are not looked at."""
    cells = notebook["cells"]  # type: ignore[index]
    if not isinstance(cells, list):
        raise TypeError
    sources = []
    for cell in cells:
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        parts = source if isinstance(source, list) else [source]
        sources.append("".join(part for part in parts if isinstance(part, str)))
    return sources


def assignment_of(submissions: list[Submission]) -> str:
    """The assignment most of whose functions the submissions define."""
    text = "\n".join(cell for s in submissions for cell in s.cells)
    count = {
        stem: sum(f"def {task.name}(" in text for task in tasks)
        for stem, tasks in ASSIGNMENTS.items()
    }
    return max(count, key=lambda stem: count[stem])


def library_calls(submission: Submission, task: Task) -> list[str]:
    """What of the library the function for ``task`` names, though it is the task itself."""
    named: set[str] = set()
    for cell in submission.cells:
        try:
            tree = ast.parse(cell)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == task.name:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Attribute):
                        named.add(inner.attr)
                    elif isinstance(inner, ast.Name):
                        named.add(inner.id)
    return sorted(named & LIBRARY.get(task.number, set()))
