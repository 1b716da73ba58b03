"""One call of a command with odd values for its options: how it was answered.

``border_commands.py`` says which commands there are. What an answer should be:

- a value that fits is taken, with a status that ``--help`` names;
- another one ends with status 2, and one line on stderr that names the option and the value;
- nothing is half-written: where the call is wrong, no file is new and none is changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import math
import os
import random
import re
import sqlite3
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robustlib.commands.options import STATUS

# --- odd values ----------------------------------------------------------------------------------

TEXTS = [
    *("", " ", "-", "--", "---", "-1", "-0", "0", "1", "2", "3", "1.5", "-0.5", "0.2", "+2", " 2 "),
    *("nan", "inf", "-inf", "1e400", "-1e400", "1e-400", "1e308", "1e-320", "5e-324", "1e3"),
    *("9" * 30, "-" + "9" * 30, "9" * 5000, "1_0", "0x10", "\u0663", "\uff11", "1,5", "1j", "1/2"),
    *("true", "None", "x" * 300, "\udc80", "\u00e9", "a\nb", "a\n#SBATCH b", "a\tb", "%s", "{}"),
    *("{0.__class__}", "8GB", "0GB", "8G B", "1-12", "25:61:99"),
    *("*", "?", "[", "~", "$HOME", "@args", "'", '"', "`", "\\", "a b", "-x", "--x", "--x=1"),
    *("-h", "--help", "--version", "RELU", "relu", "pgd ", "low", "smok", "cpu:0", "cpu:7"),
    *("cuda:99", "cuda:-1", "cpu:x", "warp", "meta", "mps:0", "hexagon", "digits", "caps"),
    *(".", "..", "/", "folder", "folder/", "folder.json", "folder.csv", "missing/x.json"),
    *("missing/x.csv", "missing.csv", "missing.npz", "missing.py", "out.json", "out.csv", "out.md"),
    *("out.txt", "bytes.md", "x" * 300 + ".py", ".json", "out.JSON", "out.json/", "text.txt"),
    *("text.txt/out.json", "text.json"),
    *("list.json", "empty.sqlite", "text.sqlite", "other.sqlite", "pipe", "link", "loop.json"),
    *("empty.csv", "bytes.csv", "ragged.csv", "words.csv", "nan.csv", "inf.csv", "huge.csv"),
    *("one.csv", "heading.csv", "good.csv", "zeros.csv", "empty.npz", "cut.npz", "zip.npz"),
    *("object.npz", "shapes.npz", "text.npz", "good.npz", "good.py", "none.py", "raises.py"),
    *("exits.py", "syntax.py", "number.py", "badset.py", "bytes.py", "slurm", "tcp://", "tcp://x"),
    *("good.ipynb", "list.ipynb", "cells.ipynb", "old.ipynb", "bytes.ipynb", "folder.ipynb"),
    *("missing.ipynb", "handed-in", "handed-in/one.ipynb", "5", "07", "08-", "own", "python3"),
    *("x" * 260 + ".json", "sandwich", "Sandwich", "\u00a0", "bench", "group"),
]


NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def lay() -> None:
    """Files of all kinds, right and wrong, in the current folder."""
    for name in ("folder", "folder.json", "folder.csv", "folder.ipynb"):
        Path(name).mkdir()
    os.mkfifo("pipe")
    Path("link").symlink_to("nowhere/at/all")
    Path("loop.json").symlink_to("loop.json")
    texts = {
        "text.txt": "text",
        "text.json": "no json",
        "list.json": "[1, 2]",
        "text.sqlite": "no database, but long enough to be looked at as one" * 20,
        "ragged.csv": "0,1,1\n0,1\n",
        "words.csv": "a,b,c\nd,e,f\n",
        "nan.csv": "0,nan,1\n1,0,-1\n",
        "inf.csv": "0,inf,1\n1,0,-1\n",
        "huge.csv": f"0,{'9' * 400},1\n1,0,-1\n",
        "one.csv": "0,1,1\n1,0,1\n",
        "heading.csv": "u,v,label\n",
        "good.csv": "0,1,1\n1,0,-1\n",
        "zeros.csv": "0,0,1\n0,0,-1\n",
        "good.py": "settings = [{'n': 1}]\ndef run(n): return n\n",
        "none.py": "",
        "raises.py": "raise ValueError('two\\nlines')\n",
        "exits.py": "import sys\nsys.exit(0)\n",
        "syntax.py": "def run(:\n",
        "number.py": "settings = [{'n': 1}]\nrun = 3\n",
        "list.ipynb": "[1, 2]",
        "cells.ipynb": '{"cells": 3, "nbformat": 4}',
        "old.ipynb": '{"nbformat": 1}',
        "badset.py": "settings = [{'n': object()}]\ndef run(n): return n\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")
    for name in ("empty.sqlite", "empty.csv", "empty.npz"):
        Path(name).touch()
    for name in ("bytes.csv", "bytes.py", "bytes.md", "bytes.ipynb"):
        Path(name).write_bytes(b"\xff\xfe0,1,1\x00")
    Path("handed-in").mkdir()
    for name in ("good.ipynb", "handed-in/one.ipynb"):
        Path(name).write_text(NOTEBOOK, encoding="utf-8")
    x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, -1])
    np.savez("good.npz", x=x, y=y)
    np.savez("shapes.npz", x=x, y=np.ones((3, 2)))
    np.savez("object.npz", x=np.array([None, 1], dtype=object), y=y)
    np.savez("text.npz", x=np.array(["a", "b"]), y=y)
    Path("cut.npz").write_bytes(Path("good.npz").read_bytes()[:200])
    Path("zip.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    with contextlib.closing(sqlite3.connect("other.sqlite")) as database:
        database.execute("CREATE TABLE cooks (name TEXT)")
        database.commit()
    Path("bench").mkdir()
    Path("bench/group.py").write_text("def contests(budget):\n    return iter(())\n")


# --- what an option may be -----------------------------------------------------------------------


def integer(low: int, high: int = 10**6) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            return low <= int(text) <= high
        except ValueError:
            return False

    return fits


def real(low: float, *, open: bool = False) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            value = float(text)
        except ValueError:
            return False
        return math.isfinite(value) and (value > low if open else value >= low)

    return fits


def ending(*endings: str) -> Callable[[str], bool]:
    """A path with one of the endings, or with any, that a file may be written to."""

    def fits(text: str) -> bool:
        try:
            path = Path(os.path.realpath(text))
            there = path.parent.is_dir() and (path.is_file() or not path.exists())
            return bool(text) and there and (not endings or Path(text).suffix in endings)
        except (OSError, ValueError):
            return False

    return fits


def among(*names: str) -> Callable[[str], bool]:
    return lambda text: text in names


@dataclasses.dataclass(frozen=True)
class Option:
    """An option: what fits, and what else a message may call it."""

    fits: Callable[[str], bool]
    called: str = ""
    counts: bool = False  # it takes as long as it is large
    words: int = 1


def like(pattern: str, flags: int = re.ASCII) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text, flags) is not None


# --- one call ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Command:
    """A command: the ``first`` word of all its calls, the others of a valid one, and its options.

    An option without -- is the first word of ``base``.
    """

    name: str
    first: tuple[str, ...]
    base: tuple[str, ...]
    options: dict[str, Option]


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a command with the odd ``given`` texts for some options."""

    command: Command
    given: tuple[tuple[str, str], ...]

    @property
    def words(self) -> list[str]:
        """The call as ``main`` gets it."""
        base, placed = list(self.command.base), [t for n, t in self.given if n[:2] != "--"]
        if placed:
            base[0:1] = []
        for name, text in self.given:
            if name.startswith("--") and self.command.options[name].words == 2:
                base += [name, text, "b"]
            elif name.startswith("--"):
                base += [f"{name}={text}"] if text.startswith("-") else [name, text]
        return [*self.command.first, *base, *(["--", placed[-1]] if placed else [])]


def calls(command: Command, count: int, seed: int) -> list[Call]:
    """``count`` calls: half of one odd value, half of two."""
    draw = random.Random(f"{seed} {command.name}")
    table = [(name, text) for name in command.options for text in TEXTS]
    draw.shuffle(table)
    found = [Call(command, (pair,)) for pair in table[: (count + 1) // 2]]
    while len(found) < count and table:
        found.append(Call(command, (draw.choice(table), draw.choice(table))))
    return found or [Call(command, ())]


@dataclasses.dataclass(frozen=True)
class Verdict:
    call: Call
    kind: str
    why: str

    def __str__(self) -> str:
        words = " ".join(map(repr, self.call.words))
        return f"{self.kind}: {self.call.command.name}: {words[:200]}: {self.why}"


GOOD = ("right", "refused", "skipped")


def judge(call: Call, main: Callable[[list[str]], int | None]) -> Verdict:
    """Make the call in a folder of its own and say how it was answered."""
    told = functools.partial(Verdict, call)
    options = call.command.options
    last = dict(call.given)  # an option that is given twice counts where it is given last
    for name, text in last.items():
        if options[name].counts and options[name].fits(text) and int(text) > 20:
            return told("skipped", "a long way to go")
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="border-") as folder:
        os.chdir(folder)
        try:
            lay()
            before = _files()
            status, out, err = run(main, call.words)
            changed = _files() != before
        finally:
            os.chdir(here)
    if isinstance(status, str):
        return told("traceback", status)
    if status not in STATUS:
        return told("status", f"{status}: {err[-200:]}")
    if "Traceback" in out + err:
        return told("traceback", err[-300:])
    if status != 2:
        odd = [name for name, text in last.items() if not options[name].fits(text)]
        return told("silent", f"took {odd}: {out[-100:]}{err[-100:]}") if odd else told("right", "")
    if len(err.splitlines()) != 1 or not err.endswith("\n"):
        return told("lines", err[:400])
    if changed:
        return told("half-written", err[:300])
    if not any(_names(err, name, text, options[name]) for name, text in call.given):
        return told("unclear", err[:400])
    return told("refused", err)


def run(main: Callable[[list[str]], int | None], words: list[str]) -> tuple[Any, str, str]:
    """Status, or what was raised, and what came on stdout and stderr, as on a terminal of UTF-8."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    status: Any
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words) or 0
        except SystemExit as end:
            status = end.code or 0
            if isinstance(status, str):  # as Python ends with it
                print(status, file=err)
                status = 1
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            status = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return status, said[0], said[1]


def _files() -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in Path(".").rglob("*")
        if "__pycache__" not in path.parts
    }


def _names(line: str, name: str, text: str, option: Option) -> bool:
    """Whether the line names the option and shows the value."""
    called = [re.escape(name), rf"\b{re.escape(name.lstrip('-'))}\b", option.called]
    if not any(pattern and re.search(pattern, line) for pattern in called):
        return False
    if re.search(
        " is not for | needs a run that takes |: expected |unrecognized arguments: --", line
    ):  # whatever its value
        return True
    if not text.strip():
        return "''" in line or repr(text) in line or "got" in line
    shown = {" ".join(text.split()), repr(text)[1:-1], ascii(text)[1:-1], text.strip().rstrip("/")}
    with contextlib.suppress(ValueError):
        shown |= {f"{float(text):g}", str(float(text))}
    with contextlib.suppress(ValueError):
        shown |= {str(Path(text))}
        shown |= {str(int(text))}
    return any(word[:15] in line for word in shown)
