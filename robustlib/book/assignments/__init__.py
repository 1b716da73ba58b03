"""The assignments of the course: ``check("1.3", project)`` tries an answer to a task."""

from __future__ import annotations

import numpy as np
import torch

from ...checks import check_choice, check_function, check_integer, shown
from . import capacity, inner_maximum, near_start, online, robust_fit
from .task import Answer, Failed, Outcome, Task

__all__ = ["ASSIGNMENTS", "TASKS", "Checked", "check"]

ASSIGNMENTS: dict[str, tuple[Task, ...]] = {
    "1-inner-maximum": inner_maximum.TASKS,
    "2-near-the-start": near_start.TASKS,
    "3-online-learning": online.TASKS,
    "4-robust-fit": robust_fit.TASKS,
    "5-capacity": capacity.TASKS,
}
TASKS = {task.number: task for tasks in ASSIGNMENTS.values() for task in tasks}


class Checked:
    """What a check found, as a sentence; true where the answer passed."""

    def __init__(self, task: Task, outcomes: tuple[Outcome, ...]) -> None:
        self.task, self.outcomes = task, outcomes

    def __bool__(self) -> bool:
        return all(outcome.miss is None for outcome in self.outcomes)

    def __repr__(self) -> str:
        number, asked = self.task.number, sum(outcome.questions for outcome in self.outcomes)
        for outcome in self.outcomes:
            if outcome.miss is not None:
                miss = outcome.miss
                return f"{number} is not right yet.\n{miss}.\nHint: {miss.hint}"
        checks = "".join(f"\n- {outcome.part.checks}" for outcome in self.outcomes)
        return f"{number} passed: {self.task.call} was asked {asked} times. Checked:{checks}"


def check(number: str, answer: Answer, *, seed: int = 0) -> Checked:
    """Try ``answer``, a function, on the task of this ``number``: "1.3", say.

    Arrays reach it as float64 tensors. Inputs are tried from the smallest on; the first that goes
    wrong is shown, with a hint. They are drawn from ``seed``: marks are given for others. Raises
    ``ValueError`` for a number that no task has and ``TypeError`` for what is no function.
    """
    task = TASKS[check_choice("number", number, TASKS)]
    seed = check_integer("seed", seed, minimum=0)
    given: object = answer
    if not callable(given):
        raise TypeError(f"answer must be the function {task.call} itself, got {shown(given)}")
    if task.arguments:
        check_function("answer", answer, ", ".join(task.arguments))

    def ask(*arguments: object) -> object:
        tensors = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments]
        try:
            return answer(*tensors)
        except Exception as error:
            raise Failed(f"raised {type(error).__name__}: {error}") from None

    return Checked(task, task.judged(ask, seed))
