"""Runs a command while no other of these runs in the checkout; two makes at once take turns.

python _ext/alone.py COMMAND [ARGUMENT ...]

The lock is one of the folder itself, held by the command: it ends with it, killed or not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path


def main() -> None:
    folder = os.open(Path(__file__).resolve().parents[1], os.O_RDONLY)
    with contextlib.suppress(OSError):  # where a file system has no locks, nobody waits
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another make works in this folder: waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
    os.set_inheritable(folder, True)
    os.execvp(sys.argv[1], sys.argv[1:])


main()
