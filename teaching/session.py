"""The grader's end of a confined process: cells in, answers to questions out, nothing believed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confine
import numpy as np

import robustlib
from robustlib.book.assignments.task import Failed

CODE = (Path(__file__).parent / "child.py").read_text(encoding="utf-8")
_LIBRARY = Path(robustlib.__file__).parents[1]
_GRACE = 3.0  # seconds that a process may be late with ending a cell or a call by itself


@dataclass(frozen=True)
class Limits:
    """What one submission may use; times are those of the clock on the wall."""

    cell_seconds: float = 30.0
    call_seconds: float = 20.0
    total_seconds: float = 240.0
    cpu_seconds: int = 240
    memory: int = 2 * 2**30  # of each process
    processes: int = 32  # and threads
    file_size: int = 64 * 2**20
    answer: int = 8 * 2**20  # letters of one answer
    starts: int = 6  # processes, when cells or calls end them


@dataclass(frozen=True)
class Place:
    """Where processes run: how strongly confined, with what out of sight, as which user."""

    level: str
    work: Path  # a folder for the working folders
    hidden: tuple[Path, ...]
    user: int = 61_000


class Ended(Exception):
    """The process ended, was too slow or said too much; it is gone."""


class StartError(RuntimeError):
    """The confined process could not be started, which is no fault of a submission."""


class Session:
    """One submission's process, started again without what ended it."""

    def __init__(self, cells: list[str], place: Place, limits: Limits) -> None:
        self._cells, self._place, self._limits = cells, place, limits
        self._end = time.monotonic() + limits.total_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._skip: list[int] = []
        self._starts = self._ticket = 0
        self._dead: dict[str, str] = {}
        self.errors: dict[int, str] = {}
        self.functions: list[str] = []

    def close(self) -> None:
        """End the process and all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        os.close(self._requests)
        os.close(self._answers)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, name: str, arguments: tuple[object, ...]) -> object:
        """What the submission's function ``name`` gives; raises ``Failed`` in the task's words."""
        if name in self._dead:
            raise Failed(self._dead[name])
        try:
            self._ready()
        except Ended as error:
            raise Failed(str(error)) from None
        self._ticket += 1
        sent = [_sent(argument) for argument in arguments]
        question = {"ticket": self._ticket, "name": name, "arguments": sent}
        try:
            self._send(question)
            reply = self._read(self._limits.call_seconds)
            if reply.get("ticket") != self._ticket:
                raise Ended("answered what it was not asked")
        except Ended as error:
            self.close()
            self._dead[name] = f"{error}"
            raise Failed(f"{error}") from None
        if "value" not in reply:
            error = str(reply.get("error"))[:300]
            if "there is no function" in error:
                error = self._no_function(name)
                self._dead[name] = error
            raise Failed(error)
        return reply["value"]

    def _no_function(self, name: str) -> str:
        others = ", ".join(dict.fromkeys(self.functions))[:200]
        found = f"; the notebook defines {others}" if others else ""
        return f"is not there: no cell that ran defines a function {name}{found}"

    def _ready(self) -> None:
        """See to it that a process is there that has run the cells."""
        while self._process is None:
            if self._starts == self._limits.starts:
                raise Ended("was not reached: too many cells or calls ended the process")
            self._starts += 1
            self._start()
            here = 0
            try:
                self._send(
                    {
                        "cells": self._cells,
                        "skip": self._skip,
                        "cell_seconds": self._limits.cell_seconds,
                        "call_seconds": self._limits.call_seconds,
                    }
                )
                while True:
                    message = self._read(self._limits.cell_seconds)
                    if "cell" in message:
                        here = _cell(message["cell"], len(self._cells), here)
                    elif message.get("ready") is True:
                        self._keep(message)
                        break
            except Ended as error:
                self.close()
                if time.monotonic() >= self._end:
                    raise
                if not here:
                    raise Ended(f"could not run: the notebook {error}") from None
                self._skip.append(here)
                self.errors[here] = f"{error}; it was left out"

    def _keep(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(AttributeError, ValueError, TypeError):
            for number, text in message["errors"].items():
                self.errors.setdefault(int(number), str(text)[:300])
            self.functions = [str(name)[:40] for name in message["functions"]][:100]

    def _start(self) -> None:
        place, limits = self._place, self._limits
        self._folder = Path(tempfile.mkdtemp(dir=place.work))
        there, self._requests = os.pipe()
        self._answers, back = os.pipe()
        setting = {
            "level": place.level,
            "folder": str(self._folder),
            "hidden": [str(path) for path in place.hidden],
            "needed": [sys.prefix, sys.base_prefix, str(_LIBRARY)],
            "user": place.user,
            "memory": limits.memory,
            "cpu_seconds": limits.cpu_seconds,
            "file_size": limits.file_size,
            "processes": limits.processes,
            "environment": _environment(),
        }
        try:
            self._process = confine.launch(setting, CODE, (there, back))
        finally:
            os.close(there)
            os.close(back)
        self._buffer = b""
        try:
            self._read(60.0)
        except Ended:
            stderr = self._process.stderr
            self._process.kill()
            assert stderr is not None
            said = stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            self.close()
            why = said[0] if said else "Python or robustlib cannot be read by the other user?"
            raise StartError(f"the confined process did not start ({place.level}): {why}") from None

    def _send(self, message: object) -> None:
        data = json.dumps(message).encode() + b"\n"
        os.set_blocking(self._requests, False)
        end = min(self._end, time.monotonic() + 10)
        while data:
            if not select.select([], [self._requests], [], max(0, end - time.monotonic()))[1]:
                raise Ended("did not listen")
            try:
                data = data[os.write(self._requests, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise Ended("ended the process") from None

    def _read(self, seconds: float) -> dict[str, Any]:
        """One message, whatever is in it; raises ``Ended``."""
        end = min(self._end, time.monotonic() + seconds + _GRACE)
        while b"\n" not in self._buffer:
            if len(self._buffer) > self._limits.answer:
                raise Ended("gave far too much")
            if not select.select([self._answers], [], [], max(0, end - time.monotonic()))[0]:
                over = time.monotonic() >= self._end
                raise Ended("took too long" + (", all cells together" if over else ""))
            block = os.read(self._answers, 2**16)
            if not block:
                raise Ended("ended the process")
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise Ended("gave what is no answer") from None
        if not isinstance(message, dict):
            raise Ended("gave what is no answer")
        return message


@contextlib.contextmanager
def session(cells: list[str], place: Place, limits: Limits) -> Iterator[Session]:
    """A session that is closed in the end."""
    opened = Session(cells, place, limits)
    try:
        yield opened
    finally:
        opened.close()


def _cell(number: object, cells: int, before: int) -> int:
    if isinstance(number, int) and before < number <= cells:
        return number
    raise Ended("gave what is no answer")


def _sent(argument: object) -> object:
    if isinstance(argument, np.ndarray):
        return {"array": argument.reshape(-1).tolist(), "shape": list(argument.shape)}
    return argument


def _environment() -> dict[str, str]:
    """Nothing of ours but where the library lies; one thread, no plots on a screen."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(threads, "1") | {
        "PYTHONPATH": str(_LIBRARY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "ROBUSTLIB_BUDGET": "smoke",
        "VIRTUAL_ENV": sys.prefix,
    }
