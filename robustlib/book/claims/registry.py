"""Claims: every numbered statement of the book as a check that can fail, and its verdict."""

from __future__ import annotations

import html
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import numpy as np
import torch
from scipy import stats

from ...checks import check_choice, check_device, check_function, seen
from ...numerics import BUDGETS, alarm, budget, device_of
from .formulas import typeset
from .place import work_on

HOLDS = "HOLDS"
FAILS = "DOES NOT HOLD"
BELOW = "RUN BELOW ITS SIZE"
OUT_OF_REACH = "OUT OF REACH"
NOT_RUN = "COULD NOT BE CHECKED"

# CPU seconds that one claim may take, for each thread that torch uses: a busy machine slows a claim
# but makes it no dearer. A claim that needs more is split or asks for a larger budget.
SECONDS = {"smoke": 20.0, "laptop": 60.0, "gpu": 600.0}


@dataclass(frozen=True)
class Control:
    """The same check with one thing changed: it must fail, or the check proves nothing.

    ``short`` says in about three words what was changed, for the table of all claims.
    """

    broken: str
    measured: str
    holds: bool
    short: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Evidence:
    """What a check saw: the prediction, the measurement (rounded, in words), and its control.

    ``value`` is the number that decided, so that a NaN behind a friendly sentence is caught.
    ``interval`` is the 95 % interval of :func:`interval_over_seeds` where seeds were averaged.
    ``ratio``, where the statement is a bound, is the largest share of it that was measured: 1 is
    attained; of several bounds, that of the one which comes least near. ``below`` gives the reason
    where what was run is smaller than a hypothesis asks, so that a conclusion that holds is no test
    of the statement; ``out_of_reach`` gives it where the statement says nothing at sizes that can
    be run.
    """

    predicted: str
    measured: str
    value: float
    holds: bool
    control: Control
    ran: str
    interval: tuple[float, float] | None = None
    out_of_reach: str | None = None
    below: str | None = None
    ratio: float | None = None


@dataclass(frozen=True, repr=False)
class Claim:
    """One statement of the book: its label in a chapter, and the function that checks it."""

    id: str
    statement: str
    title: str
    chapter: str
    run: Callable[[str], Evidence]

    def __repr__(self) -> str:
        return f"Claim {self.id!r}: {self.title} ({self.statement} of {self.chapter})."


@dataclass(frozen=True)
class Verdict:
    """The outcome of one claim: status, reason in words, evidence if there is any, CPU seconds."""

    claim: Claim
    status: str
    reason: str
    evidence: Evidence | None
    seconds: float
    budget: str

    @property
    def holds(self) -> bool:
        """True only where the check ran, held, and its control failed as it must."""
        return self.status == HOLDS

    @property
    def fails(self) -> bool:
        """True where the check or its control went wrong, or nothing could be checked."""
        return self.status not in (HOLDS, BELOW, OUT_OF_REACH)

    def rows(self) -> list[tuple[str, str]]:
        """The block's lines as (name, text); the same on any machine, so without seconds."""
        rows: list[tuple[str, str]] = []
        if self.evidence is not None:
            seen = self.evidence
            rows += [("predicted", seen.predicted), ("measured", seen.measured)]
            if seen.interval is not None:
                low, high = seen.interval
                rows.append(("interval", f"[{low:.3f}, {high:.3f}], 95 % Student t over seeds"))
            if seen.ratio is not None:
                rows.append(("ratio", f"{seen.ratio:.2g} of the bound at most"))
            fails = "fails, as it must" if not seen.control.holds else "PASSES, and must not"
            rows += [
                ("control", f"{seen.control.broken}: {fails} ({seen.control.measured})"),
                ("ran", f"{seen.ran}, {self.budget} budget"),
            ]
        if self.reason:
            rows.append(("reason", self.reason))
        return rows

    def __repr__(self) -> str:
        head = f"{self.status}  {self.claim.title} ({self.claim.id})"
        return "\n".join([head] + [f"  {name:<10}{text}" for name, text in self.rows()])

    def _repr_html_(self) -> str:
        amber = "#9a6700"
        color = {HOLDS: "#1a7f37", OUT_OF_REACH: amber, BELOW: amber}.get(self.status, "#cf222e")
        body = "".join(
            f"<dt style='font-weight:600'>{html.escape(name)}</dt>"
            f"<dd style='margin:0'>{typeset(text)}</dd>"
            for name, text in self.rows()
        )
        # Inline styles and inherited colours: the block must read well in the book, light and
        # dark, in Colab and in JupyterLab, none of which share a style sheet.
        return (
            "<div class='rl-verdict' style='border:1px solid;border-left:0.4rem solid "
            f"{color};border-radius:0.3rem;padding:0.6rem 0.9rem;margin:0.5rem 0'>"
            f"<strong style='background:{color};color:#fff;padding:0.1rem 0.5rem;"
            f"border-radius:0.2rem'>{self.status}</strong> "
            f"<strong>{typeset(self.claim.title)}</strong> "
            f"<code style='background:none;color:inherit'>{html.escape(self.claim.id)}</code>"
            "<dl style='display:grid;grid-template-columns:minmax(5.5rem,max-content) 1fr;"
            f"gap:0.2rem 0.8rem;margin:0.5rem 0 0'>{body}</dl></div>"
        )


_REGISTRY: dict[str, Claim] = {}


def claim(
    id: str, *, statement: str, title: str, chapter: str
) -> Callable[[Callable[[str], Evidence]], Callable[[str], Evidence]]:
    """Register a check: a function of the budget's name that returns :class:`Evidence`.

    ``statement`` is the label of the numbered statement in chapter file ``chapter``.
    Raises ``TypeError`` for what is no text, and for a check that is no function of one argument;
    ``ValueError`` for an empty text, and where the id or the statement already has a claim.
    """
    texts = {"id": id, "statement": statement, "title": title, "chapter": chapter}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(f"{name} must be a string, got {seen(text)}")
        if not text.strip():
            raise ValueError(f"{name} must not be empty, got {text!r}")

    def register(run: Callable[[str], Evidence]) -> Callable[[str], Evidence]:
        check_function("run", run, "budget", f"be a function of the budget for claim {id!r}")
        for known in _REGISTRY.values():
            if known.id == id or known.statement == statement:
                raise ValueError(f"claim {id!r} on {statement!r} repeats claim {known.id!r}")
        _REGISTRY[id] = Claim(id, statement, title, chapter, run)
        return run

    return register


def claims() -> tuple[Claim, ...]:
    """Every registered claim, in the order of the chapters."""
    return tuple(sorted(_REGISTRY.values(), key=lambda c: c.chapter))


def check(
    id: str, *, budget: str | None = None, device: torch.device | str | None = None
) -> Verdict:
    """Run the claim ``id`` and judge it.

    HOLDS only where it holds, its control fails and the sizes are those of the statement.

    ``budget`` is one of "smoke", "laptop", "gpu" (default: :func:`robustlib.budget`). Training and
    kernels are computed on ``device``: by default on a GPU for the budget "gpu" where there is
    one, else on the CPU.
    A check that raises, sees a NaN or overruns its CPU seconds is reported as such, never as HOLDS.
    Raises ``ValueError`` for an unknown id (naming the nearest) or budget.
    """
    found = _REGISTRY[check_choice("id", id, _REGISTRY)]
    size = default_budget() if budget is None else check_choice("budget", budget, BUDGETS)
    where = device_of(size) if device is None else check_device("device", device)
    allowed = SECONDS[size] * torch.get_num_threads()
    start = time.process_time()
    evidence, reason = None, ""
    try:
        with _time_limit(allowed), work_on(where):
            evidence = found.run(size)
    except Exception as error:
        reason = f"the check raised {type(error).__name__}: {error}"
    seconds = time.process_time() - start
    if evidence is not None and seconds > allowed:
        reason = f"the check took more than its {allowed:g} CPU seconds"
    status, reason = _judge(evidence, reason)
    return Verdict(found, status, reason, evidence, seconds, size)


default_budget = budget  # ``check`` has an argument of that name


def _judge(evidence: Evidence | None, reason: str) -> tuple[str, str]:
    """Status and reason; every doubt is settled against the claim."""
    if evidence is None or reason:
        return NOT_RUN, reason or "the check returned nothing"
    ratio = () if evidence.ratio is None else (evidence.ratio,)
    numbers = (evidence.value, *(evidence.interval or ()), *ratio)
    if not all(math.isfinite(number) for number in numbers):
        return NOT_RUN, f"the check measured {evidence.value}, which is not a finite number"
    if evidence.out_of_reach is not None:
        return OUT_OF_REACH, evidence.out_of_reach
    if evidence.control.holds:
        return FAILS, "the control passes, so this check could not have failed"
    if not evidence.holds:
        return FAILS, "the measurement contradicts the prediction"
    return (HOLDS, "") if evidence.below is None else (BELOW, evidence.below)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after ``seconds`` of CPU time where the platform can (Unix, main thread).

    Waiting costs nothing: what hangs without computing is not stopped.
    """
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not usable:  # the caller still compares the seconds taken
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"took more than its {seconds:g} CPU seconds")

    with alarm(seconds, stop, cpu=True):
        yield


def interval_over_seeds(values: list[float]) -> tuple[float, float]:
    """The 95 % Student t interval for the mean of ``values``, one value a seed, at least two."""
    if len(values) < 2:
        raise ValueError(f"values must hold at least 2 seeds, got {len(values)}")
    center, half = (
        float(np.mean(values)),
        float(stats.sem(values)) * stats.t.ppf(0.975, len(values) - 1),
    )
    return center - half, center + half
