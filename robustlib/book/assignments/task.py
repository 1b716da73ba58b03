"""Tasks that are marked by a program: what an answer is asked, and the first it gets wrong.

A task never looks at an answer, it only asks it: plain numbers go in, plain numbers come out. So
the same task judges a function in the reader's notebook and one in another process that nobody
trusts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from ...checks import keep, shown

Numbers = NDArray[np.floating[Any]]
Answer = Callable[..., object]  # takes arrays, numbers, texts; gives anything
_ENTRIES = 12  # of an array that a message shows in full


class Miss(Exception):
    """What an answer got wrong: for which input, what is wrong there, and a hint."""

    def __init__(self, question: str, why: str, hint: str) -> None:
        super().__init__(f"{question} {why}")
        self.question, self.why, self.hint = question, why, hint


class Failed(Exception):
    """An answer gave none: it raised, took too long, or is not there; says which."""


class Ask:
    """An answer to one task, and the last question that it was asked."""

    def __init__(self, task: Task, answer: Answer) -> None:
        self.task, self._answer = task, answer
        self.count, self._question, self._told = 0, "", ""

    def raw(self, *arguments: object, hint: str) -> object:
        """What the answer gives; ``hint`` is for one that raises."""
        names = self.task.arguments
        listed = ", ".join(f"{n}={_text(a)}" for n, a in zip(names, arguments, strict=True))
        self._question, self._told = f"{self.task.name}({listed})", ""
        self.count += 1
        # copies: an answer that writes into its arguments harms nobody
        mine = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        try:
            found = self._answer(*mine)
        except Failed as error:
            raise Miss(self._question, str(error), hint) from None
        self._told = f"gave {_text(found)}"
        return found

    def __call__(self, *arguments: object, shape: Sequence[int], hint: str) -> Numbers:
        """The answer as an array of this shape, float64; ``hint`` is for one that has another."""
        return self.numbers(self.raw(*arguments, hint=hint), shape, hint)

    def several(
        self, *arguments: object, shapes: Sequence[Sequence[int]], hint: str
    ) -> list[Numbers]:
        """The answer as arrays of these shapes, given as a tuple or a list; -1 is any length."""
        found = self.raw(*arguments, hint=hint)
        if not isinstance(found, list | tuple) or len(found) != len(shapes):
            self.miss(f"{len(shapes)} things are asked for, as a tuple", hint)
        return [self.numbers(part, s, hint) for part, s in zip(found, shapes, strict=True)]

    def numbers(self, value: object, shape: Sequence[int], hint: str) -> Numbers:
        """``value`` as a float64 array of this ``shape``."""
        try:
            if isinstance(value, torch.Tensor):
                value = value.detach().cpu().numpy()
            found = np.asarray(value)
            if found.dtype.kind == "c":  # NumPy would drop the imaginary part
                raise TypeError
            array = found.astype(np.float64)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            self.miss("this is no array of numbers", hint)
        fits = array.ndim == len(shape) and all(
            s in (-1, n) for s, n in zip(shape, array.shape, strict=True)
        )
        if not fits:
            asked = str(tuple(shape)).replace("-1", "any")
            self.miss(f"shape {asked} is asked for, this has {array.shape}", hint)
        if not np.isfinite(array).all():
            self.miss("an entry is NaN or infinite", hint)
        return array

    def expect(self, holds: object, why: str, hint: str) -> None:
        """Go on where it ``holds``."""
        truth = np.asarray(holds)
        assert truth.dtype == bool  # ~True is -2, and true
        if not truth.all():
            self.miss(why, hint)

    def miss(self, why: str, hint: str) -> NoReturn:
        """End the part here: the last question is the one that was missed."""
        raise Miss(self._question, f"{self._told}: {why}" if self._told else why, hint)


Judge = Callable[[Ask, np.random.Generator], None]


@dataclass(frozen=True)
class Part:
    """A share of a task's points, what it checks, and the function that does."""

    points: int
    checks: str
    judge: Judge


@dataclass(frozen=True)
class Outcome:
    """What became of a part: its miss, or None where the answer was right."""

    part: Part
    miss: Miss | None
    counts: bool  # later parts count only where the first was right
    questions: int

    @property
    def points(self) -> int:
        """The points that it gives."""
        return self.part.points if self.miss is None and self.counts else 0


@dataclass(frozen=True)
class Task:
    """One task: its number, the function it asks for, and the parts that judge it.

    The first part is what the task is about; what the others give counts only where it is right.
    """

    number: str
    call: str  # "project(z, x, rho)"
    title: str
    minutes: int
    level: int  # 1 to 3
    parts: tuple[Part, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.call.partition("(")[0]

    @property
    def arguments(self) -> list[str]:
        """The names of its arguments."""
        return [name for name in self.call.partition("(")[2].rstrip(")").split(", ") if name]

    @property
    def points(self) -> int:
        """What the task is worth."""
        return sum(part.points for part in self.parts)

    def part(self, points: int, checks: str) -> Callable[[Judge], Judge]:
        """Register the judge of a part."""

        def register(judge: Judge) -> Judge:
            keep(self, parts=(*self.parts, Part(points, checks, judge)))
            return judge

        return register

    def judged(self, answer: Answer, seed: int) -> tuple[Outcome, ...]:
        """What became of each part, on inputs drawn from ``seed``: small ones come first."""
        outcomes: list[Outcome] = []
        for number, part in enumerate(self.parts):
            ask, miss = Ask(self, answer), None
            try:
                part.judge(ask, np.random.default_rng([seed, number]))
            except Miss as error:
                miss = error
            counts = all(outcome.miss is None for outcome in outcomes[:1])
            outcomes.append(Outcome(part, miss, counts, ask.count))
        return tuple(outcomes)


def _text(value: object) -> str:
    """``value`` for a message: few digits, and of what is long only its shape."""
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.device.type == "meta":
            return f"<tensor {tuple(value.shape)}, not dense>"
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    if isinstance(value, np.ndarray):
        if value.size > _ENTRIES:
            return f"<array {value.shape}>"
        return _text(value.tolist())
    if isinstance(value, tuple):
        return f"({', '.join(_text(entry) for entry in value)})"
    if isinstance(value, list):
        return shown(_Plain(f"[{', '.join(_text(entry) for entry in value)}]"))
    if isinstance(value, float):
        return f"{value:.4g}"
    return shown(value)


class _Plain(str):
    """A text that is shown without quotation marks."""

    def __repr__(self) -> str:
        return str(self)
