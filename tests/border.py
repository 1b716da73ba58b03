"""The border of the public API: one argument of a valid call is replaced by an odd value.

``python tests/border.py --cases 300`` looks at 300 cases of every callable, and prints how many
were answered how and each one that was not right:

- *right*: it returns, and values equal in meaning get equal answers;
- *refused*: a ValueError or TypeError that the library raised and that names the argument;
- *unclear*: another error, or one that does not name the argument;
- *silent*: NaN, or an answer to a value that answers no question (``border_values.FITS``);
- *no return*: no answer in 20 s, or the process died;
- *side effect*: arguments, random state, defaults or files changed, or a warning.
"""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import dataclasses
import functools
import hashlib
import math
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import border_calls as calls
import border_taste as taste
import border_values as values
import numpy as np
import torch
from torch import Tensor, nn

SECONDS, BYTES = 20.0, 6 * 2**30
BAD = ("unclear", "silent", "no return", "side effect")

# What the library calls an argument where its message does not use the argument's own name.
ALSO = {
    "sample": "x|y|points|labels",
    "validation": "x",
    "model": "net|x",
    "net": "model|x",
    "attacked": "x",
    "oracle": "model",
    "activation": "function|derivative",
    "function": "activation|derivative",
    "comparator": "weights",
    "robust_loss": "judge",
    "rows": "row",
}
# Other errors that a docstring promises.
PROMISED: dict[str, tuple[type[Exception], ...]] = {
    "load_gram": (OSError,),
    "store_gram": (OSError,),
    "Trajectory.load": (OSError,),
    "Trajectory.save": (OSError,),
    "adversarial_training": (OSError,),
    "explore": (RuntimeError,),
    "run_of": (IndexError,),
    "openml": (OSError, RuntimeError),
}
WRITES = ("sweep", "store_gram", "Trajectory.save", "adversarial_training", "openml")


@dataclasses.dataclass(frozen=True)
class Case:
    """The ``k``-th value for the argument ``parameter`` of the callable ``name``."""

    name: str
    parameter: str
    k: int


@dataclasses.dataclass(frozen=True)
class Verdict:
    case: Case
    value: str
    kind: str
    why: str = ""

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.case.name}({self.case.parameter} = {self.value})"
            f" [{self.case.k}]: {self.why}"
        )


# --- cases -------------------------------------------------------------------------------------


def fuzzed() -> list[str]:
    """The callables that are looked at; of abstract classes, what can be made is."""
    return [
        n
        for n in calls.public()
        if (n, "*") not in taste.TASTE and n.partition(".")[0] not in taste.ABSTRACT
    ]


def cases(name: str, count: int, *, seed: int, shuffled: bool) -> list[Case]:
    """``count`` cases of a callable: of its table of values, then drawn by chance."""
    table = [
        Case(name, p, k)
        for p in calls.parameters(calls.public()[name])
        if (name, p) not in taste.TASTE
        for k in range(len(_table(name, p)))
    ]
    places = sorted({case.parameter for case in table})
    more = max(0, count - len(table))
    if shuffled:
        random.Random(f"{seed} {name}").shuffle(table)
        table = table[:count]
    return table + [
        Case(name, places[i % len(places)], 10**6 * (1 + seed) + i) for i in range(more)
    ]


@functools.cache
def _table(name: str, parameter: str) -> list[tuple[str, values.Maker]]:
    kind, make = calls.argument(name, parameter)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        every = {**values.anything(), **values.own(kind, make())}
    return list(every.items())


def value_of(case: Case) -> tuple[str, Any]:
    """The value of a case, made anew."""
    kind, make = calls.argument(case.name, case.parameter)
    if case.k >= 10**6:
        word, maker = values.drawn(kind, make(), random.Random(repr(case)))
    else:
        word, maker = _table(case.name, case.parameter)[case.k]
    return word, maker()


# --- one case ------------------------------------------------------------------------------------


def judge(case: Case) -> Verdict:
    """Make the call in an empty folder and say how it was answered."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="border-") as folder:
        os.chdir(folder)
        try:
            return _judged(case)
        finally:
            os.chdir(here)


def _judged(case: Case) -> Verdict:
    kind = calls.argument(case.name, case.parameter)[0]
    try:
        word, value = value_of(case)
    except Exception as error:  # such a value cannot be made
        return Verdict(case, f"{case.k}", "skipped", repr(error)[:80])
    if kind == "effort" and _above(value, taste.EFFORT):
        return Verdict(case, word, "skipped", "a long way to go")
    call, given = calls.target(case.name), calls.valid(case.name)
    original = given.get(case.parameter, calls.argument(case.name, case.parameter)[1]())
    given[case.parameter] = value
    told = functools.partial(Verdict, case, word)
    before, files = _state(given), _files()
    error: BaseException | None = None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        # torch's word, once a process, on math.sin as a model
        warnings.filterwarnings("ignore", "Converting a tensor with requires_grad=True")
        try:
            answer = call(**given)
        except Exception as raised:
            error = raised
    changed = _difference(before, _state(given))
    if warned:
        changed = f"warned: {warned[0].message}"
    if _files() - files and (error is not None or case.name not in WRITES):
        changed = f"left {sorted(_files() - files)}"
    if changed:
        return told("side effect", f"{changed} ({error!r:.100})")
    if error is not None:
        return told(*_error(case, error))
    if not values.fits(kind, value) and not _taken(case, word):
        return told("silent", f"took it and gave {_short(answer)}")
    seen = digest(answer)
    if "nan" in seen.split("\n") and not _taken(case, "nan"):
        return told("silent", f"gave NaN: {_short(answer)}")
    if word.startswith("="):
        given = calls.valid(case.name) | {case.parameter: original}
        expected = calls.target(case.name)(**given)
        if not alike(answer, expected):
            return told("silent", f"gave {_short(answer)}, not {_short(expected)}")
    return told("right")


def _above(value: Any, most: float) -> bool:
    try:
        return not isinstance(value, np.complex128) and float(value) > most
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return isinstance(value, int)


def _taken(case: Case, word: str) -> bool:
    return any(
        (name, parameter, word) in taste.TAKEN
        for name in (case.name, case.name.rpartition(".")[2], "*")
        for parameter in (case.parameter, "*")
    )


def _error(case: Case, error: BaseException) -> tuple[str, str]:
    text = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
    if isinstance(error, values.Raises):
        return "right", text
    parts = [case.parameter, *ALSO.get(case.parameter, case.parameter).split("|")]
    notes = getattr(error, "__notes__", [])
    if any(re.search(rf"\b({'|'.join(parts)})\b", note) for note in notes):
        return "refused", text  # by the user's own function, whose error goes on with our note
    if isinstance(error, PROMISED.get(case.name, ())):
        return "refused", text
    if not isinstance(error, ValueError | TypeError):
        return "unclear", text
    if not _ours(error):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return "unclear", f"{text} (at {Path(frame.filename).name}:{frame.lineno})"
    if not re.search(rf"(?<![A-Za-z])({'|'.join(parts)})(?![A-Za-z])", str(error)):
        return "unclear", f"does not name it: {text}"
    return "refused", text


@functools.cache
def _raises(file: str) -> list[range]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
    ]


def _ours(error: BaseException) -> bool:
    """Whether a statement of the library raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    if not Path(last.filename).is_relative_to(calls.ROOT) or last.lineno is None:
        return False
    return any(last.lineno in lines for lines in _raises(last.filename))


# --- what a call may not change ------------------------------------------------------------


def _files() -> set[str]:
    return {str(p) for p in Path(".").rglob("*")}


def _state(given: dict[str, Any]) -> dict[str, str]:
    held = {f"argument {name}": digest(value) for name, value in given.items()}
    return held | {
        "random state of torch": _hash(torch.get_rng_state().numpy().tobytes()),
        "random state of numpy": _hash(np.random.get_state()[1].tobytes()),  # noqa: NPY002
        "random state of Python": _hash(repr(random.getstate()).encode()),
        "default dtype": str(torch.get_default_dtype()),
        "default device": str(torch.get_default_device()),
        "grad mode": str((torch.is_grad_enabled(), torch.is_inference_mode_enabled())),
        "threads": str(torch.get_num_threads()),
    }


def _difference(before: dict[str, str], after: dict[str, str]) -> str:
    return ", ".join(f"{name} changed" for name in before if before[name] != after[name])


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def digest(value: Any) -> str:
    """What a value says, as a text: tensors by their bits, results by their fields."""
    return "\n".join(_words(value, 0))


def _words(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, Tensor):
        kind = f"{value.dtype}{tuple(value.shape)}{value.requires_grad}"
        yield kind
        if value.device.type == "cpu" and value.layout == torch.strided and not value.is_quantized:
            plain = value.detach().as_subclass(Tensor).resolve_neg().resolve_conj()
            if plain.is_floating_point() and bool(torch.isnan(plain).any()):
                yield "nan"
            if plain.dtype == torch.bfloat16:
                plain = plain.float()
            yield _hash(plain.numpy().tobytes())
    elif isinstance(value, nn.Module):
        yield type(value).__name__
        for name, held in value.state_dict(keep_vars=True).items():
            yield name
            yield from _words(held, depth)
            yield str(held.grad is None) if isinstance(held, Tensor) and held.is_leaf else ""
        yield str([m.training for m in value.modules()])
    elif isinstance(value, np.ndarray | float):
        yield repr(value)
    elif depth < 6 and isinstance(value, dict):
        for name, held in value.items():
            yield str(name)
            yield from _words(held, depth + 1)
    elif depth < 6 and isinstance(value, tuple | list):
        for held in value:
            yield from _words(held, depth + 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type) and depth < 6:
        yield from _words(_fields(value), depth + 1)
    elif isinstance(value, int | str | bytes | None):
        yield repr(value)
    else:
        yield type(value).__name__


def _fields(value: Any) -> dict[str, Any]:
    """What a dataclass holds, but for what it has computed from it and keeps."""
    names = {field.name for field in dataclasses.fields(value)} - {"setting"}
    return {k: v for k, v in vars(value).items() if k in names}


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are equal, but for rounding."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        return torch.allclose(one.detach(), other.detach(), rtol=1e-5, atol=1e-9, equal_nan=True)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-9) or one == other
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[k], other[k]) for k in one)
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and alike(_fields(one), _fields(other))
    if isinstance(one, nn.Module):
        return alike(dict(one.state_dict()), dict(other.state_dict()))
    return type(one) is type(other) and (digest(one) == digest(other))


def _short(value: Any) -> str:
    try:
        return f"{value!r}".replace("\n", " ")[:100]
    except Exception as error:
        return f"a {type(value).__name__} whose repr raises {error!r:.60}"


# --- processes -----------------------------------------------------------------------------


def _work(pipe: Any, todo: list[Case]) -> None:
    """In a process of its own: judge one case after the other, and say which is next."""
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    torch.set_num_threads(1)
    values.offline()
    import sklearn.datasets  # noqa: F401  (its first import draws a random number)

    for case in todo:
        pipe.send(case)
        try:
            pipe.send(judge(case))
        except Exception:  # of this harness
            pipe.send(Verdict(case, "", "unclear", traceback.format_exc()[-300:]))
    pipe.send(None)


def verdicts(todo: list[Case]) -> Iterator[Verdict]:
    """The verdicts on all cases; a process that hangs or dies is replaced."""
    context = multiprocessing.get_context("spawn")
    while todo:
        mine, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, todo), daemon=True)
        process.start()
        theirs.close()
        case: Case | None = None
        try:
            while (case := _received(mine, 120)) is not None:
                verdict = _received(mine, SECONDS)
                todo = todo[1:]
                yield verdict
        except (EOFError, TimeoutError) as error:
            if case is None:
                raise
            todo = todo[1:]
            yield Verdict(case, "", "no return", repr(error))
        process.kill()
        process.join()


def _received(pipe: Any, seconds: float) -> Any:
    if not pipe.poll(seconds):
        raise TimeoutError(f"nothing in {seconds:g} s")
    return pipe.recv()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", help="callables; all without")
    options.add_argument("--cases", type=int, default=300, help="of every callable")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--sampled", action="store_true", help="draw from the table")
    options.add_argument("--show", type=int, default=10, help="verdicts of one callable")
    asked = options.parse_args()
    names = [
        name
        for name in fuzzed()
        if not asked.names or any(re.fullmatch(pattern, name) for pattern in asked.names)
    ]
    todo = [
        c for n in names for c in cases(n, asked.cases, seed=asked.seed, shuffled=asked.sampled)
    ]
    total, shown = collections.Counter[str](), collections.Counter[str]()
    looked = collections.Counter[str]()
    for verdict in verdicts(todo):
        total[verdict.kind] += 1
        if sum(total.values()) % 1000 == 0:
            print(sum(total.values()), "of", len(todo), "cases", flush=True, file=sys.stderr)
        looked[verdict.case.name] += 1
        shown[verdict.case.name] += verdict.kind in BAD
        if verdict.kind in BAD and shown[verdict.case.name] <= asked.show:
            print(re.sub(r"0{40,}", "0...", str(verdict)), flush=True)
    print("all:", sum(total.values()), "cases,", dict(total))
    right = [name for name in names if not shown[name]]
    print(f"at least {min(looked.values())} cases each, none bad: {len(right)} of {len(names)}")
    if len(right) < len(names):
        print("bad:", {name: shown[name] for name in names if shown[name]})
    return int(any(total[kind] for kind in BAD))


if __name__ == "__main__":
    sys.exit(main())
