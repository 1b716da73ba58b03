"""Regret: how a run's average surrogate loss compares with a comparator's, term by term."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_real
from ..losses import Loss
from ..numerics import steady
from ..samples import Labelled
from ..training.comparison import Comparator, Comparison
from ..training.trajectory import Trajectory
from .replay import replay

_INNER = r"\langle g_t, W_t - W_*\rangle"
# as text, and for a notebook
_FORMULAS = {
    "online gradient": ("mean of <g_t, W_t - W_*>", f"mean of ${_INNER}$"),
    "linearisation": (
        "mean of l_t(W_t) - l_t(W_*) - <g_t, W_t - W_*>",
        rf"mean of $\ell_t(W_t) - \ell_t(W_*) - {_INNER}$",
    ),
    "attack": ("mean of l_t(W_*) - L_*(W_*)", r"mean of $\ell_t(W_*) - L_*(W_*)$"),
    "excess": (
        "mean of L_A(W_t) - L_*(W_*), the sum so far",
        r"mean of $L_{\mathcal{A}}(W_t) - L_*(W_*)$, the sum so far",
    ),
    "comparator gap": ("L_*(W_*) - lower bound", "$L_*(W_*)$ - lower bound"),
    "total": ("mean of L_A(W_t) - lower bound", r"mean of $L_{\mathcal{A}}(W_t)$ - lower bound"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Regret:
    """(1/T) sum_t L_A(W_t) - L_*(W_*), split into what each part of the proof contributes.

    l_t is the loss at the points that the attack found at W_t, so that l_t(W_t) = L_A(W_t); g_t is
    its gradient there. For every step, each (T,): ``online`` = <g_t, W_t - W_*>; ``linearisation``
    = l_t(W_t) - l_t(W_*) - <g_t, W_t - W_*>, at most 0 where l_t is convex, as in a linearised
    net; ``attack`` = l_t(W_*) - L_*(W_*), at most 0 by the frozen-attack inequality, where the
    ``robust_loss`` L_*(W_*) is the true one. ``surrogate_loss`` (T,), ``gradient`` (T,) = |g_t|,
    ``step_sizes`` (T,), ``distance`` (T+1,) = |W_t - W_*|_F, Theorem B's potential. All float64.

    ``comparator_gap`` = L_*(W_*) - ``lower_bound`` is what the comparator may be above the best
    in its ball. ``excess`` is the sum of the means of the three terms, the measured
    (1/T) sum_t L_A(W_t) - L_*(W_*); ``total`` adds the gap: it is measured against ``lower_bound``.
    ``judge`` names the attacks where L_*(W_*) is only the largest that they found, so that
    ``attack`` may be above 0; None where it is known, or was given.
    """

    surrogate_loss: Tensor
    online: Tensor
    linearisation: Tensor
    attack: Tensor
    distance: Tensor
    gradient: Tensor
    step_sizes: Tensor
    robust_loss: float
    lower_bound: float
    judge: str | None = None

    @property
    def comparator_gap(self) -> float:
        """L_*(W_*) - lower bound."""
        return self.robust_loss - self.lower_bound

    @property
    def excess(self) -> float:
        """(1/T) sum_t L_A(W_t) - L_*(W_*)."""
        return float(self.surrogate_loss.mean()) - self.robust_loss

    @property
    def total(self) -> float:
        """(1/T) sum_t L_A(W_t) - lower bound."""
        return float(self.surrogate_loss.mean()) - self.lower_bound

    @property
    def average(self) -> Tensor:
        """(1/t) sum of the excess of the first t steps, for t = 1 .. T: the regret curve (T,)."""
        counts = torch.arange(1, len(self.surrogate_loss) + 1, dtype=torch.float64)
        return (self.surrogate_loss - self.robust_loss).cumsum(0) / counts

    @property
    def online_bound(self) -> float:
        """What projected gradient steps guarantee for the mean of ``online``.

        The mean of (|W_t - W_*|^2 - |W_(t+1) - W_*|^2)/(2 alpha_t) + alpha_t |g_t|^2/2; without a
        projection that moves anything, this is an equality.
        """
        fall = self.distance[:-1] ** 2 - self.distance[1:] ** 2
        alpha = self.step_sizes
        return float((fall / (2 * alpha) + alpha * self.gradient**2 / 2).mean())

    def rows(self) -> tuple[tuple[str, str, float], ...]:
        """The table's rows: (term, formula, value)."""
        means = [float(x.mean()) for x in (self.online, self.linearisation, self.attack)]
        values = (*means, self.excess, self.comparator_gap, self.total)
        return tuple(
            (name, formula, value)
            for (name, (formula, _)), value in zip(_FORMULAS.items(), values, strict=True)
        )

    def __repr__(self) -> str:
        rows = [(name, formula, f"{value:+.6f}") for name, formula, value in self.rows()]
        rows.insert(0, ("term", f"formula, T = {len(self.surrogate_loss)}", "value"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [
            f"{a.ljust(widths[0])}  {b.ljust(widths[1])}  {c.rjust(widths[2])}" for a, b, c in rows
        ]
        return "\n".join([*lines, *self._caveat()])

    def _repr_markdown_(self) -> str:
        lines = ["| term | formula | value |", "|---|---|---:|"]
        for name, _, value in self.rows():
            lines.append(f"| {name} | {_FORMULAS[name][1]} | {value:+.6f} |")
        return "\n".join([*lines, *(f"\n{line}" for line in self._caveat())])

    def _caveat(self) -> list[str]:
        if self.judge is None:
            return []
        return [f"L_*(W_*) is at least what is used here, the largest found by {self.judge}."]


@steady()
def regret(
    trajectory: Trajectory,
    comparator: Comparator,
    *,
    sample: Labelled | None = None,
    loss: Loss | None = None,
    robust_loss: float | None = None,
) -> Regret:
    """The regret of a run against ``comparator``, with its terms; they add up to rounding.

    The run must have been trained with this ``comparator``; or with
    ``record=("attacked", "weights")``, which serves any comparator afterwards. It knows its sample
    and its loss; give ``sample`` and ``loss`` where it was loaded from a file, which does not hold
    them. ``robust_loss`` is L_*(W_*) of the net that was trained, at the comparator's weights: by
    default the comparator's own value, which is right where that linearised net itself was trained.

    Raises ``ValueError`` where the run holds neither record, for a run of no steps, where the
    comparator has no weights or those of another net, or is for another sample, set or loss than
    the run's, and for another ``sample`` or ``loss``.
    """
    if not isinstance(trajectory, Trajectory):
        raise TypeError(f"trajectory must be a Trajectory, got {type(trajectory).__name__}")
    if not isinstance(comparator, Comparator):
        raise TypeError(f"comparator must be a Comparator, got {type(comparator).__name__}")
    if not trajectory.steps:
        raise ValueError("trajectory must have at least one step, got none")
    weights = comparator.weights_for(trajectory.setting)
    if sample is not None:
        trajectory.setting.same_sample(sample)
    if loss is not None:
        trajectory.setting.same_loss(loss)
    seen = _comparison(trajectory, weights, sample, loss)
    value = comparator.value if robust_loss is None else check_real("robust_loss", robust_loss)
    surrogate = trajectory.surrogate_loss.double()
    return Regret(
        surrogate_loss=surrogate,
        online=seen.inner,
        linearisation=surrogate - seen.loss - seen.inner,
        attack=seen.loss - value,
        distance=seen.distance,
        gradient=seen.gradient,
        step_sizes=trajectory.step_sizes,
        robust_loss=value,
        lower_bound=comparator.lower_bound,
        judge=comparator.judge if robust_loss is None and not comparator.closed else None,
    )


def _comparison(
    trajectory: Trajectory,
    weights: tuple[Tensor, ...],
    sample: Labelled | None,
    loss: Loss | None,
) -> Comparison:
    """What the run recorded against these weights, or what its other records say."""
    known = trajectory.comparison
    if known is not None and _equal(tuple(known.weights.values()), weights):
        return known
    if trajectory.attacked is None or trajectory.weights is None:
        raise ValueError(
            "trajectory must come from a run with this comparator, or with "
            f"record=('attacked', 'weights'); this one has "
            f"{'other weights to compare with' if known is not None else 'neither'}"
        )
    sample, loss = trajectory.setting.same_sample(sample), trajectory.setting.same_loss(loss)
    start = {k: w[0] for k, w in trajectory.weights.items()}
    seen = Comparison.start(weights, start, trajectory.steps)
    for step in replay(trajectory, sample, loss):
        seen.take(step.t, step.net, step.trained, step.gradients, step.attacked, sample.y, loss)
        seen.arrive(step.t + 1, {k: w[step.t + 1] for k, w in trajectory.weights.items()})
    return seen


def _equal(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))
