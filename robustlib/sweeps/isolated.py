"""A run in a process of its own, so that a limit can end it and its death is only a row.

``run_alone`` is what an engine calls on a worker: each thread of it keeps one such process, which
imports torch once and is asked again and again. Nothing is shared with the driver but bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ATTEMPTS = 2  # processes that may die over one run: the first may have been somebody's mistake
_LOCAL = threading.local()


def run_alone(
    function: bytes, setting: dict[str, Any], seconds: float | None, threads: int
) -> dict[str, Any]:
    """What became of ``function(**setting)``: a dict with state, result, error and seconds."""
    for _ in range(_ATTEMPTS):
        known: _Child | None = getattr(_LOCAL, "child", None)
        if known is not None and known.threads != threads:
            known.end()  # nobody asks it again
        child = known if known is not None and known.serves(threads) else _Child(threads)
        _LOCAL.child = child
        start = time.monotonic()
        answer = child.ask(function, setting, seconds)
        spent = time.monotonic() - start
        if answer is None:
            ended = f"its process was ended after its limit of {seconds:g} s"
            return {"state": "slow", "result": None, "error": ended, "seconds": spent}
        if answer:
            return answer
    died = f"its process died {_ATTEMPTS} times, {child.last_words()}"
    return {"state": "died", "result": None, "error": died, "seconds": spent}


def release() -> None:
    """End the process that this thread keeps, if there is one."""
    child: _Child | None = getattr(_LOCAL, "child", None)
    if child is not None:
        child.end()
        del _LOCAL.child


def die_with_parent() -> None:
    """End this process as soon as the one that started it is gone."""
    if getattr(die_with_parent, "watched", False):
        return
    die_with_parent.watched = True  # type: ignore[attr-defined]
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Child:
    """One process that calls functions, and the line to it."""

    def __init__(self, threads: int) -> None:
        self.threads, self._sent = threads, ""
        ours, theirs = socket.socketpair()
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "robustlib.sweeps.child", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # so that it can be ended with whatever it started
        )
        theirs.close()
        self._line = Connection(ours.detach())
        try:
            with contextlib.suppress(EOFError, OSError):
                self._line.send(sys.path)
                self._line.recv()  # ready: what it imports is not on the run's time
        except BaseException:  # interrupted: nobody knows of it yet
            self.end()
            raise

    def serves(self, threads: int) -> bool:
        return self.threads == threads and self._process.poll() is None

    def ask(
        self, function: bytes, setting: dict[str, Any], seconds: float | None
    ) -> dict[str, Any] | None:
        """The answer; None where the limit was met, an empty one where the process died."""
        name = hashlib.sha256(function).hexdigest()
        try:
            self._line.send((function if name != self._sent else None, setting))
            self._sent = name
            if not self._line.poll(seconds):
                self.end()
                return None
            answer: dict[str, Any] = pickle.loads(self._line.recv_bytes())
            return answer
        except (EOFError, OSError):
            self.end()
            return {}

    def last_words(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            return f"the last time by signal {signal.Signals(-code).name} (out of memory?)"
        return f"the last time with exit status {code}"

    def end(self) -> None:
        """End it, with whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._line.close()
