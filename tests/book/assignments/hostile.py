"""Submissions that are broken, clumsy or mean, and the points that each must get.

They answer assignment 5 with NumPy, so that a process need not load torch. None does harm to other
software: what they try is stopped by limits, or aimed at files and ports of the test itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FULL = {"5.2": 6, "5.3": 6, "5.4": 6}
GADGET = """
import numpy as np

def gadget(labels, radius):
    d = len(labels)
    corner = labels / d ** 0.5
    return np.eye(d) / d ** 0.5, corner, -corner
"""
CHECK = """
def first_failure(points, labels, plus, minus, radius):
    if len({tuple(row) for row in labels.tolist()}) < 2 ** len(points):
        return -2
    for k, row in enumerate(labels):
        own = np.where((row > 0)[:, None], plus[k], minus[k])
        apart = ((plus[k] - minus[k]) ** 2).sum() ** 0.5
        if apart < 2 - 1e-9 or (((points - own) ** 2).sum(1) ** 0.5 > radius + 1e-9).any():
            return k
    return -1
"""
LINE = """
def line_net(x, y, radius):
    order = np.argsort(x)
    x, y = x[order], y[order]
    kinks, readout = [], []
    for k in range(len(x) - 1):
        if y[k] != y[k + 1]:
            begin, end = x[k] + radius, x[k + 1] - radius
            rise = 2 * y[k + 1] / (end - begin)
            kinks += [begin, end]
            readout += [rise, -rise]
    return [1.0] * len(kinks), [-t for t in kinks], readout, y[0]
"""
RIGHT = [GADGET, CHECK, LINE]
WRONG = "def gadget(labels, radius): return labels\ndef first_failure(*a): return 7\n" + (
    "def line_net(x, y, radius): return [], [], [], 0.0"
)

Points = dict[str, int]


def without(*numbers: str) -> Points:
    """All points but those of these tasks."""
    return {number: 0 if number in numbers else points for number, points in FULL.items()}


def instead(body: str) -> tuple[list[str], Points]:
    """The right answers, but for a gadget that does this."""
    code = "import os, sys, time\ndef gadget(labels, radius):\n    " + body.replace("\n", "\n    ")
    return [*RIGHT, code], without("5.2")


def beside(cell: str) -> tuple[list[str], Points]:
    """The right answers, and before them a cell that does this and may end as it likes."""
    return [cell, *RIGHT], FULL


def cells_of(secret: Path, port: int) -> dict[str, tuple[list[str], Points]]:
    """Notebooks by name; ``secret`` is a folder of the test's, ``port`` one where it listens."""
    guarded = f"""
import os, socket
def gadget(labels, radius):
    return labels
try:
    found = [open(os.path.join(r"{secret}", name)).read() for name in os.listdir(r"{secret}")]
    if found: exec(found[0])
except OSError:
    pass
"""
    network = f"""
import socket
def gadget(labels, radius):
    return labels
try:
    peer = socket.create_connection(("127.0.0.1", {port}), timeout=2)
    exec(peer.recv(10000))
except OSError:
    pass
"""
    answers = [f"open(r'{secret}/marks.csv', 'a').write('mallory,100')", *RIGHT]
    forged = """
import json, os
for fd in range(3, 30):
    for ticket in range(1, 4):
        try: os.write(fd, json.dumps({"ticket": ticket, "value": "all right"}).encode() + b"\\n")
        except OSError: pass
"""
    return {
        "right": (RIGHT, FULL),
        "blank": (["def gadget(labels, radius): ...\ndef first_failure(*a): ..."], {}),
        "nothing": ([], {}),
        "loop in a cell": beside("while True: pass"),
        "loop that swallows": beside(
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
        ),
        "loop in an answer": instead("while True: pass"),
        "deaf to alarms": instead(
            "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass"
        ),
        "sleep in a cell": beside("import time; time.sleep(1000)"),
        "sleep in an answer": instead("time.sleep(1000)"),
        "memory in a cell": beside("hoard = bytearray(40 * 2 ** 30)"),
        "memory in an answer": instead("hoard = [b'1']\nwhile True: hoard.append(hoard[-1] * 2)"),
        "memory shared": beside("import mmap; hoard = mmap.mmap(-1, 40 * 2 ** 30)"),
        "forks": beside("import os\nfor _ in range(100): os.fork()"),
        "processes that stay": beside(
            "import subprocess\nsubprocess.Popen(['sleep', '987'], start_new_session=True)"
        ),
        "threads that stay": beside(
            "import threading, time\nthreading.Thread(target=time.sleep, args=(987,)).start()"
        ),
        "sys.exit": beside("import sys; sys.exit(0)"),
        "sys.exit in an answer": instead("sys.exit(0)"),
        "os._exit": beside("import os; os._exit(0)"),
        "os._exit in an answer": instead("os._exit(0)"),
        "quick exit after all": ([*RIGHT, "exit()", WRONG], {}),
        "kills itself": beside("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        "kills all it can": beside("import os, signal; os.kill(-1, signal.SIGKILL)"),
        "closes everything": beside("import os; os.closerange(0, 200)"),
        "deleted cells": ([LINE.replace("np.", "__import__('numpy').")], without("5.2", "5.3")),
        "right at last": ([WRONG, *RIGHT], FULL),
        "wrong at last": ([*RIGHT, WRONG], {}),
        "renamed": ([GADGET.replace("def gadget", "def my_gadget"), CHECK, LINE], without("5.2")),
        "another order": ([LINE, CHECK, GADGET], FULL),
        "replaced check": ([WRONG, "def check(*a, **o): return True\ncheck('5.2', gadget)"], {}),
        "replaced numpy": (
            ["import numpy\nnumpy.abs = numpy.allclose = lambda *a, **o: True", WRONG],
            {},
        ),
        "replaced torch": (["import sys, types\nsys.modules['torch'] = types.ModuleType('t')"], {}),
        "replaced builtins": (
            ["import builtins\nbuiltins.all = builtins.bool = lambda *a: True", WRONG],
            {},
        ),
        "replaced tests": (
            [
                "import importlib, sys\ndel sys.modules['robustlib.book.assignments']\n"
                "from robustlib.book.assignments.task import Ask\n"
                "Ask.expect = Ask.miss = lambda *a: None",
                WRONG,
            ],
            {},
        ),
        "replaced json": beside("import json\njson.dumps = lambda *a, **o: '{\"points\": 18}'"),
        "reads others": ([*RIGHT, guarded], without("5.2")),
        "asks the network": ([*RIGHT, network], without("5.2")),
        "writes the table": (answers, FULL),
        "prints a score": ([WRONG, 'print(\'{"score": 18, "points": 18}\')'], {}),
        "forged answers": ([WRONG, forged], {}),
        "forged and right": beside(forged),
        "huge output": beside("for _ in range(2000): print('x' * 50_000)"),
        "huge answer": instead("return [[0.125] * 3_000_000]"),
        "huge file": beside("open('f', 'wb').write(b'0' * 2 ** 28)"),
        "pickled": instead("import pickle; return pickle.dumps(labels)"),
        "object that lies": instead(
            "class All(float):\n    def __eq__(s, o): return True\n    __lt__ = __le__ = __eq__\n"
            "return All(1), All(1), All(1)"
        ),
        "answers itself": instead("loop = []; loop.append(loop); return loop"),
        "a number too long": instead("return 10 ** 100_000"),
        "not a number": instead("n = len(labels)\nreturn [[float('nan')] * n] * n, labels, labels"),
        "recursion": instead("return gadget(labels, radius)"),
        "generator": instead("yield from labels"),
        "another task's": instead("return line_net(labels, labels, radius)"),
        "syntax": ([GADGET, CHECK + "\nreturn", LINE], without("5.3")),
        "magics": ([f"%matplotlib inline\n!pip install nothing\n{GADGET}", CHECK, LINE], FULL),
        "asserts a check": beside("assert False, 'my own test'"),
    }


def files_of() -> dict[str, tuple[bytes, str, Points]]:
    """What is handed in as bytes: the words of the table's state, and the points."""
    good = notebook(RIGHT)
    return {
        "latin-1": (good.replace(b"np", "é".encode("latin-1"), 1), "UTF-8", {}),
        "utf-16": (good.decode().encode("utf-16"), "UTF-8", {}),
        "byte order mark": (b"\xef\xbb\xbf" + good, "ok", FULL),
        "not json": (good[:-30], "JSON", {}),
        "deep": (b"[" * 100_000, "JSON", {}),
        "a list": (b"[1, 2]", "list of cells", {}),
        "no cells": (b"{}", "list of cells", {}),
        "strange cells": (b'{"cells": [1, null, {"cell_type": "code", "source": 3}]}', "ok", {}),
        "empty": (b"", "JSON", {}),
        "surrogates": (good.replace(b"import numpy", b"# \\ud800\\nimport numpy", 1), "failed", {}),
        "metadata": (
            notebook(RIGHT[:1], {"points": 18, "task_5_2": {"points": 18}}),
            "ok",
            {"5.2": 6},
        ),
        "=1+1": (good, "ok", FULL),
        "<b>bold": (good, "ok", FULL),
    }


def notebook(cells: list[str], metadata: dict[str, object] | None = None) -> bytes:
    """Code cells as a notebook, with this metadata everywhere."""
    tags = metadata or {}
    made = [
        {"cell_type": "code", "metadata": tags, "source": cell, "outputs": [{"points": 18}]}
        for cell in cells
    ]
    return json.dumps(
        {"cells": made, "metadata": tags, "nbformat": 4, "nbformat_minor": 5}
    ).encode()


def write(folder: Path, cells: dict[str, tuple[list[str], Points]]) -> None:
    """All of them as files, and two that are none: a link and a pipe."""
    for name, (sources, _) in cells.items():
        (folder / f"{name}.ipynb").write_bytes(notebook(sources))
    for name, (data, _, _) in files_of().items():
        (folder / f"{name}.ipynb").write_bytes(data)
    (folder / "link.ipynb").symlink_to(folder / "right.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
