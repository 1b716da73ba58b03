"""The border of the command line: one option of a valid call is given an odd value, or two are.

``python tests/border_commands.py --cases 200`` looks at so many calls of each command of the
library and of each script for teachers and maintainers, in this process, each in a folder of its
own, and lists the ones that were not answered as they should be; names narrow it down.
What takes long, or writes into the project, is taken out of them; what looks at a call is theirs.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from border_line import (
    GOOD,
    Command,
    Option,
    Verdict,
    among,
    calls,
    ending,
    integer,
    judge,
    like,
    real,
)

from robustlib.activations import ACTIVATIONS

ROOT = Path(__file__).parents[1]
FOLDERS = ("teaching", "_ext", "tests/book")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_DEVICE = Option(among("cpu", "cpu:0"))
_BUDGET = Option(among("smoke", "laptop"))
_SEED = Option(integer(0, 2**63 - 1))
_OUT = Option(ending(".json"))

Table = dict[str, tuple[list[str], dict[str, Option]]]

# Of the library: a valid call of each, and its options.
LIBRARY: Table = {
    "train": (
        ["hexagon", "--width", "4", "--steps", "1", "--attack-steps", "1"],
        {
            "SAMPLE": Option(
                among("hexagon", "digits", "caps", "good.csv", "good.npz"),
                r"\.csv|\.npz|--points|--classes|labels|x\b|y\b|points",
            ),
            "--points": Option(integer(1), "n\\b|sample", counts=True),
            "--classes": Option(lambda text: True, "classes|labels", words=2),
            "--scale": Option(among()),
            "--width": Option(integer(2), counts=True),
            "--activation": Option(among(*ACTIVATIONS)),
            "--set": Option(among("cap", "linf", "l2", "l1")),
            "--eps": Option(real(0), "rho"),
            "--attack": Option(among("pgd", "apgd", "fgsm", "random", "none")),
            "--attack-steps": Option(integer(1), "steps", counts=True),
            "--loss": Option(among("huber", "logistic", "hinge", "logcosh")),
            "--steps": Option(integer(0), counts=True),
            "--step-size": Option(real(0, open=True), "step_size"),
            "--radius": Option(real(0)),
            "--effort": Option(among("low", "medium", "high")),
            "--store": Option(ending(), "checkpoint"),
            "--device": _DEVICE,
            "--budget": _BUDGET,
            "--seed": _SEED,
            "--out": _OUT,
        },
    ),
    "sweep": (
        ["good.py", "--workers", "1"],
        {
            "FILE.py": Option(among("good.py"), r"\.py|settings|function"),
            "--store": Option(ending(), "store"),
            "--workers": Option(integer(1), counts=True),
            "--cluster": Option(among()),
            "--seconds": Option(real(0, open=True)),
            "--threads": Option(integer(1, 2**63 - 1)),
            "--device": Option(among()),
            "--budget": Option(among()),
            "--seed": Option(among()),
            "--out": Option(ending(".json", ".csv")),
        },
    ),
    "sweep on slurm": (
        ["good.py", "--cluster", "slurm", "--show-script"],
        {
            "--threads": Option(integer(1, 2**63 - 1)),
            "--gpus": Option(integer(0, 2**63 - 1)),
            "--memory": Option(like(r"\d{1,6} ?[MGT]i?B?")),
            "--walltime": Option(like(r"(\d{1,3}-)?\d{1,6}(:\d\d?){0,2}")),
            "--partition": Option(like(r"[\w.-]+")),
        },
    ),
    "claims": (
        ["sandwich", "--budget", "smoke"],
        {
            "ID": Option(among("sandwich")),
            "--page": Option(ending(".md")),
            "--device": _DEVICE,
            "--budget": _BUDGET,
            "--out": _OUT,
        },
    ),
    "bench": (
        ["--folder", "bench"],
        {
            "--folder": Option(among("bench", "bench/"), r"\.py raised"),
            "--only": Option(among("group")),
            "--page": Option(ending(".md")),
            "--budget": Option(among("smoke", "laptop", "gpu")),
            "--out": Option(ending(".json")),
        },
    ),
    "gpu": (
        ["--device", "cpu", "--budget", "smoke"],
        {
            "--minutes": Option(real(0, open=True)),
            "--device": _DEVICE,
            "--budget": Option(among("smoke", "laptop", "gpu")),
            "--seed": _SEED,
            "--out": _OUT,
        },
    ),
    "doctor": ([], {}),
}

# The scripts, by their modules.
SCRIPTS: Table = {
    "grade": (
        ["handed-in", "--assignment", "5-capacity", "--workers", "1"],
        {
            "FOLDER": Option(among("handed-in", "handed-in/"), "--out"),
            "--out": Option(lambda text: ending()(text) or text in ("folder", "folder/")),
            "--assignment": Option(among("5-capacity")),
            "--workers": Option(integer(1, 1000)),
        },
    ),
    "build": (["5-capacity"], {"NAME": Option(among())}),
    "handout": (["07"], {"CHAPTER": Option(among())}),
    "execute": (
        ["good.ipynb"],
        {"NOTEBOOK": Option(among("good.ipynb")), "--kernel": Option(among("python3"))},
    ),
    "portable": (
        ["00-tour"],
        {
            "NAME": Option(among("sandwich")),
            "--arithmetic": Option(among("own")),
            "--variables": Option(among("own")),
            "--workers": Option(integer(1, 1000)),
        },
    ),
    "paper": (["x"], {"WORD": Option(among(), "unrecognized")}),
}


def commands() -> list[Command]:
    """All of them; the first word of a command of the library is its name."""
    found = []
    for name, (base, options) in (LIBRARY | SCRIPTS).items():
        first = (name.partition(" ")[0],) if name in LIBRARY else ()
        found.append(Command(name, first, tuple(base), options))
    return found


@contextlib.contextmanager
def quick(command: Command) -> Iterator[Callable[[list[str]], Any]]:
    """The ``main`` of a command, without what takes long."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, ONE_THREAD))
        stack.enter_context(mock.patch.object(sys, "path", list(sys.path)))
        if command.name in LIBRARY:
            for place, other in _in_the_library().items():
                stack.enter_context(mock.patch(place, other))
            yield importlib.import_module("robustlib.__main__").main
            return
        sys.path[:0] = [str(ROOT / folder) for folder in FOLDERS]
        script = importlib.import_module(command.name)
        for place, other in _in_a_script(script)[command.name].items():
            stack.enter_context(mock.patch(f"{command.name}.{place}", other))
        yield script.main


def _in_the_library() -> dict[str, Any]:
    """Sweeps answer at once, and a GPU is measured by one row."""
    from robustlib.commands.measures import Row

    done = {"state": "done", "result": {"value": 1.0}, "error": "", "seconds": 0.0}

    def row(*_: object) -> Iterator[Row]:
        yield Row("values", "nothing", "0", "0", True)

    # robustlib.sweeps.sweep is the function by that name
    driver = sys.modules["robustlib.sweeps.sweep"]
    driver_name = f"{driver.__name__}.on_this_machine"
    return {
        driver_name: lambda jobs, *_, **__: ((key, done) for key, _ in jobs),
        "robustlib.commands.gpu.MEASURES": (row,),
    }


def _in_a_script(script: Any) -> dict[str, dict[str, Any]]:
    def marked(submission: Any, *_: object) -> dict[str, Any]:
        ends = {"fault": "", "tasks": [], "errors": {}}
        return {"student": submission.student, "assignment": "5-capacity", **ends}

    return {
        "grade": {"marked": marked, "confine.level": lambda: "limits only"},
        "build": {"split": mock.Mock(side_effect=AssertionError("it builds"))},
        "handout": {"BUILD": ROOT / "not-built"},
        "execute": {"run": lambda path, kernel: script.nbformat.read(path, as_version=4)},
        "portable": {"offered": lambda name: ""},
        "paper": {"print_book": mock.Mock(side_effect=AssertionError("it prints"))},
    }


def badly_answered(command: Command, cases: int) -> list[str]:
    """What is wrong with the answers to so many calls of a command."""
    with quick(command) as called:
        found = [judge(call, called) for call in calls(command, cases, 0)]
    return [str(verdict) for verdict in found if verdict.kind not in GOOD]


def verdicts(cases: int, seed: int, names: list[str]) -> Iterator[Verdict]:
    """On so many calls of each command."""
    for command in commands():
        if not names or command.name in names:
            with quick(command) as called:
                for call in calls(command, cases, seed):
                    yield judge(call, called)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", help="commands; all without")
    options.add_argument("--cases", type=int, default=200, help="of every command")
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    total: dict[str, collections.Counter[str]] = {}
    for verdict in verdicts(asked.cases, asked.seed, asked.names):
        total.setdefault(verdict.call.command.name, collections.Counter())[verdict.kind] += 1
        if verdict.kind not in GOOD:
            print(verdict, flush=True)
    for name, kinds in total.items():
        print(f"{name}: {sum(kinds.values())} calls, {dict(kinds)}")
    return int(any(set(kinds) - set(GOOD) for kinds in total.values()))


if __name__ == "__main__":
    sys.exit(main())
