"""Every task: its solution passes, a blank fails, typical mistakes fail, each with its own hint."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import numpy as np
import pytest
import torch

from robustlib.book.assignments import ASSIGNMENTS, TASKS, check, online
from robustlib.book.assignments.nets import close

FOLDER = Path(__file__).parents[3] / "chapters" / "assignments"
MODULES = ["inner_maximum", "near_start", "online", "robust_fit", "capacity"]
Function = Callable[..., object]
# Questions that a right answer is asked, which readers are told.
ASKED = {
    "1.2": 18,
    "1.3": 25,
    "1.4": 19,
    "1.5": 1,
    "2.2": 12,
    "2.3": 7,
    "2.4": 6,
    "3.2": 7,
    "3.3": 7,
    "3.4": 8,
    "3.5": 3,
    "4.2": 6,
    "4.3": 5,
    "4.4": 4,
    "5.2": 62,
    "5.3": 16,
    "5.4": 7,
}


@pytest.fixture(autouse=True)
def _float64() -> Any:
    """What the second cell of every assignment sets."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"wrong_{name}", FOLDER / "wrong" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ANSWERS = {name: load(name) for name in MODULES}
RIGHT = {number: fs for module in ANSWERS.values() for number, fs in module.RIGHT.items()}
WRONG = {number: fs for module in ANSWERS.values() for number, fs in module.WRONG.items()}


def source(stem: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4)


def solutions(stem: str) -> dict[str, Function]:
    """What the source's own answers define; its checks and tests are not run."""
    names: dict[str, Any] = {}
    for cell in source(stem).cells:
        if cell.cell_type == "code" and "# BEGIN SOLUTION" in cell.source:
            exec("import torch\nimport robustlib as rl\n" + cell.source, names)
    return names


def test_every_task_has_answers_of_both_kinds() -> None:
    assert set(RIGHT) == set(WRONG) == set(TASKS)
    assert all(RIGHT.values())
    assert min(len(wrong) for wrong in WRONG.values()) >= 4


@pytest.mark.parametrize("stem", ASSIGNMENTS)
def test_solutions_pass(stem: str) -> None:
    names = solutions(stem)
    for task in ASSIGNMENTS[stem]:
        for seed in (0, 20261130):
            assert check(task.number, names[task.name], seed=seed)


@pytest.mark.parametrize("number", RIGHT)
def test_right_answers_written_otherwise_pass(number: str) -> None:
    for answer in RIGHT[number]:
        found = check(number, answer, seed=3)
        assert found, found
        told = f"{number} passed: {TASKS[number].call} was asked {ASKED[number]} times."
        assert repr(found).startswith(told)


@pytest.mark.parametrize("number", TASKS)
def test_a_blank_gets_nothing(number: str) -> None:
    blank: Function = eval(f"lambda {', '.join(TASKS[number].arguments)}: ...")
    found = check(number, blank)
    assert not found
    assert sum(outcome.points for outcome in found.outcomes) == 0


@pytest.mark.parametrize("number", WRONG)
def test_typical_mistakes_fail_each_with_its_own_hint(number: str) -> None:
    hints = []
    for answer, words in WRONG[number]:
        found = check(number, answer)
        assert not found, words
        (first, *_) = [outcome.miss for outcome in found.outcomes if outcome.miss]
        assert words in first.hint, found
        assert first.question.startswith(f"{TASKS[number].name}(")
        hints.append(first.hint)
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("stem", ASSIGNMENTS)
def test_source_and_tasks_say_the_same(stem: str) -> None:
    """Names, points, minutes and levels, in the notebook and in the library."""
    text = "\n".join(cell.source for cell in source(stem).cells)
    for task in ASSIGNMENTS[stem]:
        head = rf"## {task.number} .*\n\n\*(\d+) points, about (\d+) minutes, level (\d) of 3; "
        (found,) = re.findall(head + r"marked by a program\.\*", text)
        assert found == (str(task.points), str(task.minutes), str(task.level))
        number = task.number.replace(".", "_")
        assert f"name: task_{number}\npoints: {task.points}\ncheck_cell: false" in text
        assert f"def {task.call}:" in text
    minutes = [int(m) for m in re.findall(r"points, about (\d+) minutes", text)]
    assert 4 <= len(minutes) <= 6
    assert 180 <= sum(minutes) <= 300
    by_hand = re.findall(r"\*(\d+) points, .*; marked by hand", text)
    rubrics = [
        sum(int(points) for points in re.findall(r"^- (\d+): ", cell.source, re.M))
        for cell in source(stem).cells
        if "**Points.**" in cell.source
    ]
    assert rubrics == [int(points) for points in by_hand]


def test_smallest_failing_input_comes_first() -> None:
    """An answer that fails from two dimensions on is shown its failure in two."""

    def answer(w: torch.Tensor, x: torch.Tensor, y: torch.Tensor, eps: float, norm: str) -> object:
        right = RIGHT["1.2"][0](w, x, y, eps, norm)
        return right if len(w) == 1 else [0.0] * len(x)

    found = repr(check("1.2", answer))
    assert re.search(r"worst_margin\(w=\[[-\d]+, [-\d]+\], x=\[\[\d, \d\]\], y=\[1\]", found), found


def test_answers_are_right_to_single_precision() -> None:
    assert close(np.array([1 + 5e-7, -3e-7]), np.array([1.0, 0.0]))
    assert not close(np.array([1 + 1.5e-6]), 1.0)
    assert close(np.array([4 + 3e-6]), 4.0)
    assert not close(np.array([0.0, 4 + 5e-6]), np.array([0.0, 4.0]))


def test_a_square_in_single_precision_is_taken_for_a_square() -> None:
    def answer(k: torch.Tensor, y: torch.Tensor) -> object:
        alpha, size = RIGHT["4.3"][0](k, y)  # type: ignore[misc]
        return alpha, torch.tensor(size**2 * (1 + 1e-7))

    assert "Hint: alpha' K alpha is the square of the norm" in repr(check("4.3", answer))


def test_the_norm_is_told_where_another_number_was_given() -> None:
    """K = 9 and y = 6: the norm is 2."""
    found = repr(check("4.3", lambda K, y: (RIGHT["4.3"][0](K, y)[0], 5.0)))  # type: ignore[index]
    assert ": 2 is the norm.\nHint: the norm's square is alpha' K alpha" in found


def test_a_net_for_points_at_equal_distances_is_not_enough() -> None:
    def evenly(x: torch.Tensor, y: torch.Tensor, radius: float) -> object:
        return RIGHT["5.4"][0](x.min() + 2.0 * x.argsort().argsort(), y, radius)

    assert not check("5.4", evenly)


def test_where_the_library_keeps_x_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the sign may be too long; a library that then keeps x is no judge of it."""
    monkeypatch.setattr(online, "FGSM", lambda: lambda net, x, y, **how: x)
    found = check("3.4", RIGHT["3.4"][0])
    assert found, found
    assert sum(outcome.questions for outcome in found.outcomes) == 4  # those of radius 0


def test_an_answer_may_raise_and_write_into_its_arguments() -> None:
    def spoils(gradients: torch.Tensor, moves: torch.Tensor, radius: float) -> object:
        paid = RIGHT["3.3"][0](gradients, moves, radius)
        gradients *= 0
        return paid

    assert check("3.3", spoils)
    found = repr(check("4.2", lambda W, a: W[9]))
    assert "raised IndexError" in found
    assert "Hint: one vector, as long as x" in found


def test_bad_calls_are_named() -> None:
    with pytest.raises(ValueError, match=r"number must be one of .*did you mean '1.2'"):
        check("12", lambda: 0)
    with pytest.raises(TypeError, match=r"answer must be the function odd_part\(W, a\) itself"):
        check("4.2", torch.ones(3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"answer must be a function \(W, a\)"):
        check("4.2", lambda W: W)
    with pytest.raises(TypeError, match="seed must be an integer"):
        check("4.2", RIGHT["4.2"][0], seed=0.5)  # type: ignore[arg-type]


def test_later_parts_count_only_after_the_first() -> None:
    """No points for edge cases of what is otherwise wrong."""
    found = check("1.4", lambda W, a, x, y, eps, step, steps: x)
    assert [outcome.miss is None for outcome in found.outcomes] == [False, True]
    assert sum(outcome.points for outcome in found.outcomes) == 0
