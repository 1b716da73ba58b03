"""The process in which runs stand alone: reads a function and settings, answers with results."""

from __future__ import annotations

import contextlib
import math
import pickle
import random
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from .isolated import die_with_parent
from .settings import key, plain


def main() -> None:
    """Answer until the line is closed, or whoever holds its other end is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides when to end
    die_with_parent()
    with contextlib.suppress(EOFError, OSError):
        answer_on(Connection(int(sys.argv[1])))


def answer_on(line: Connection) -> None:
    """Calls what comes. Raises ``EOFError`` and ``OSError`` when the line ends."""
    # behind its own, so that nothing beside the driver's script hides what Python brings
    sys.path += [path for path in line.recv() if path not in sys.path]
    line.send("ready")
    function = b""
    while True:
        sent, setting = line.recv()
        function = function if sent is None else sent
        start = time.monotonic()
        answer: dict[str, Any] = {"result": None}
        try:
            _seed(setting)
            # anew each time: what one run writes into the function's globals no other sees
            answer["result"] = _result(pickle.loads(function)(**setting), setting)
            bad = [name for name, value in answer["result"].items() if _has_nan(value)]
            answer["state"] = "nan" if bad else "done"
            answer["error"] = f"its {', '.join(bad)} held NaN" if bad else ""
        except BaseException as error:  # also SystemExit: whatever it is, it is a row
            words = " ".join(str(error).split())
            answer |= {"state": "raised", "error": f"{type(error).__name__}: {words}"}
        answer["seconds"] = time.monotonic() - start
        line.send_bytes(pickle.dumps(answer))


def _seed(setting: dict[str, Any]) -> None:
    """Global random numbers depend on the setting, not on what ran before in this process."""
    number = int(key(setting), 16)
    random.seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002 (what a user's function may draw from)
    torch.manual_seed(number % 2**63)


def _result(value: object, setting: dict[str, Any]) -> dict[str, Any]:
    found = value if isinstance(value, dict) else {"value": value}
    result: dict[str, Any] = plain(found, "the result", nan=True)
    for name in result:
        if name in setting or name in ("state", "error", "seconds"):
            raise ValueError(f"the result has the name {name!r}, which is taken")
    return result


def _has_nan(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    if isinstance(value, list):
        return any(map(_has_nan, value))
    return isinstance(value, float) and math.isnan(value)


if __name__ == "__main__":
    main()
