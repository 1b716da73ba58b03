"""The robust comparator: the best robust loss in a ball of functions, with a proof from below."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..attacks import Adversary, Attack, GridMax
from ..attacks.base import check_adversary
from ..checks import check_function, check_real
from ..losses import Loss
from ..models import departure, known_as
from ..networks import LinearizedNet
from ..numerics import steady
from ..samples import Labelled, check_labelled
from ..sets import Perturbation
from ..solvers.interior_point import MinMaxProgram, solve
from ..training.comparison import Comparator
from ..training.setting import Setting
from .features import Features, Kernel, KernelFeatures, NetFeatures
from .judge import BlurredPGD

_RANK = 1e-14  # eigenvalues of a Gram matrix below this share of the largest are rounding
_ROUNDS = 100  # of cutting planes
_FAR = 1e150  # a radius whose square is a number
_DROP = 1e-6  # elements with less than this share of the largest of their example are dropped
_SMALL = 1e-3  # values below it are known with an absolute error
_ROUNDING = 1e-13  # relative gaps below this one are rounding alone
_FINE = 1e-9  # a gap that, where it no longer shrinks, is rounding: new points are as well


@steady()
def best_in_ball(
    model: LinearizedNet | Kernel,
    sample: Labelled,
    *,
    perturbation: Perturbation,
    radius: float,
    loss: Loss,
    tolerance: float = 1e-6,
    judge: Adversary | None = None,
) -> Comparator:
    """The least robust loss over the ball of ``radius`` round the start, by convex programming.

    ``model`` is a ``LinearizedNet``, with weights W in the ball |W - W_0|_F <= radius of every
    trained layer, or a kernel ``kernel(x, z) -> (n, k)``, with functions of norm <= radius in its
    RKHS. The robust loss is convex there. It is minimised over finitely many points, the worst
    points of the minimiser are added, and so on until value and lower bound are within
    ``tolerance`` of one another, relatively (for a value below 1e-3: within 1e-3 ``tolerance``).

    Worst points come from ``judge``: the default enumerates ``Finite`` sets, where the answer is
    exact in both directions, ``closed``; takes ``GridMax()`` for up to 3 coordinates and
    ``BlurredPGD()`` beyond, and judges the answer once more on a finer grid, or with more steps
    and restarts. There ``value`` is what they found at the answer and proves nothing from above.
    A judge that misses the worst points makes ``value`` too small, but never makes
    ``lower_bound`` wrong: points left out can only lower the minimum. Where rounding or the judge
    stops the search early, the gap says so. All is float64, and a net of another dtype is taken in
    float64.

    A ``tolerance`` that rounding does not allow, below about 1e-12, is not met: the gap says what
    was reached. Raises ``ValueError``/``TypeError`` for bad input: an empty sample, other dtypes
    than float64, radii that are negative or not finite (the minimum over a whole space need not be
    attained).
    """
    features = _features(model)
    x, y = _checked(sample)
    radius = check_real("radius", radius, minimum=0)
    if radius > _FAR:
        raise ValueError(f"radius must be at most {_FAR:g}, got {radius:g}")
    tolerance = check_real("tolerance", tolerance, above=0)
    setting = Setting.of(sample, perturbation, loss)
    final: Adversary | None = None
    if judge is None:
        judge, final = _default_judges(perturbation, x)
    check_adversary("judge", judge)
    closed = perturbation.radius == 0 or (perturbation.finite and isinstance(judge, GridMax))

    def attacked(
        function: Callable[[Tensor], Tensor], by: Adversary = judge
    ) -> tuple[Tensor, Tensor]:
        points = by(function, x, y, perturbation=perturbation, loss=loss)
        with torch.no_grad():
            return points, loss(function(points), y)

    search = _CuttingPlanes(features, x, y, radius, loss)
    search.lower_bound = _least_loss(loss, y)
    points, losses = attacked(search.function())
    search.offer(losses)
    if radius == 0:
        search.lower_bound = search.value
    for _ in range(_ROUNDS):
        wanted = max(tolerance, _ROUNDING) * max(search.value, _SMALL)
        gap = search.value - search.lower_bound
        if gap <= wanted:
            break
        fresh = search.add(points, losses, wanted / 10)
        loose = min(0.02 * gap, 0.1 * search.value) if fresh else 0.0
        search.improve(max(wanted / 4, loose))
        points, losses = attacked(search.function())
        search.offer(losses)
        search.drop()
        fine = gap <= _FINE * max(search.value, _SMALL)
        if (fine or not fresh) and search.value - search.lower_bound > 0.9 * gap:
            break  # neither new points nor more digits are to be had
    words = repr(judge)
    if final is not None and not closed:
        search.judge_again(attacked(search.function(best=True), final)[1])
        words += f" and {final!r}"
    if radius == 0:
        search.lower_bound = search.value  # the loss at points of the sets, of the only function
    return search.result(words, closed, setting)


def _least_loss(loss: Loss, y: Tensor) -> float:
    """A number that the mean loss is never below, whatever the outputs; -inf where none is known.

    A convex loss is at least its value where it is flat: at the label, or far beyond it.
    """
    for f in (y, 1e3 * y):
        if bool((loss.derivative(f, y) == 0).all()):
            return float(loss(f, y).mean())
    return -math.inf


def _features(model: LinearizedNet | Kernel) -> Features:
    if isinstance(model, LinearizedNet) and known_as(model, (LinearizedNet,)):
        double = all(w.dtype == torch.float64 for w in model.start())
        return NetFeatures(model if double else copy.deepcopy(model).double())
    if isinstance(model, nn.Module):
        seen = departure(model, (LinearizedNet,)) or type(model).__name__
        raise TypeError(
            f"model must be a LinearizedNet or a kernel, got {seen}; the robust loss of a net is "
            "not convex in its weights, that of linearize(net) is"
        )
    check_function("model", model, "x, z", "be a LinearizedNet or a kernel(x, z)")
    return KernelFeatures(model)


def _checked(sample: Labelled) -> tuple[Tensor, Tensor]:
    check_labelled(sample)
    if sample.x.dtype != torch.float64:
        raise TypeError(
            f"sample must be float64, got {sample.x.dtype}; use sample.to(dtype=torch.float64) "
            "and net.double()"
        )
    return sample.x.detach(), sample.y.detach()


def _default_judges(perturbation: Perturbation, x: Tensor) -> tuple[Attack, Attack | None]:
    """The exact maximum where there is one, else a strong attack, and a stronger one at last."""
    if perturbation.finite:
        return GridMax(), None
    if x.flatten(1).shape[1] <= 3:
        return GridMax(), GridMax(size=10_000)
    return BlurredPGD(), BlurredPGD(steps=100, restarts=20, seed=1)


class _CuttingPlanes:
    """The finite program: its elements, the best function so far, the best lower bound so far."""

    def __init__(self, features: Features, x: Tensor, y: Tensor, radius: float, loss: Loss) -> None:
        self.features, self.y, self.radius, self.loss = features, y, radius, loss
        self.smooth = loss.smoothness is not None
        self.points, self.group = x, torch.arange(len(x), device=x.device)
        self.grams = features.grams(x)
        self.beta = x.new_zeros(len(self.grams), len(x))
        with torch.no_grad():
            self.base = features.base(x)
        self.shares = torch.ones_like(self.base)
        self.tangents_at = self.base.clone()  # where nonsmooth losses are replaced by tangents
        self.value, self.lower_bound = math.inf, -math.inf
        self.current = self.best = (self.points, self.beta)

    def function(self, *, best: bool = False) -> Callable[[Tensor], Tensor]:
        """The current function, or the ``best`` so far."""
        return self.features.function(*(self.best if best else self.current))

    def outputs(self) -> Tensor:
        """The current function at the elements' points."""
        f = self.base
        for gram, beta in zip(self.grams, self.beta, strict=True):
            f = f + gram @ beta
        return f

    def offer(self, losses: Tensor) -> None:
        """Keep the current function where it is the best, given its worst ``losses`` found."""
        f = self.outputs()
        own = self.loss(f, self.y[self.group])
        value = float(losses.scatter_reduce(0, self.group, own, "amax").mean())
        if value < self.value:
            self.value, self.best = value, self.current
            self.worst = torch.full_like(losses, -math.inf)
            self.worst = torch.maximum(
                losses, self.worst.scatter_reduce(0, self.group, own, "amax")
            )
        psi, _, _ = self._functions(f)
        self.known = torch.full_like(losses, -math.inf).scatter_reduce(0, self.group, psi, "amax")

    def judge_again(self, losses: Tensor) -> None:
        """Take in ``losses`` found at the best function."""
        self.worst = torch.maximum(self.worst, losses)
        self.value = float(self.worst.mean())

    def add(self, points: Tensor, losses: Tensor, slack: float) -> int:
        """Take in the points whose loss is above what the program knows by more than ``slack``."""
        rows = (losses > self.known + slack).nonzero().flatten()
        if not len(rows):
            return 0
        fresh = points[rows]
        with torch.no_grad():
            base, here = self.features.base(fresh), self.function()(fresh)
            cross, own = self.features.grams(self.points, fresh), self.features.grams(fresh)
        self.grams = [
            torch.cat([torch.cat([k, c], 1), torch.cat([c.T, o], 1)])
            for k, c, o in zip(self.grams, cross, own, strict=True)
        ]
        self.points = torch.cat([self.points, fresh])
        self.group = torch.cat([self.group, rows])
        self.base = torch.cat([self.base, base])
        self.tangents_at = torch.cat([self.tangents_at, here])
        self.shares = torch.cat([self.shares, 0.1 * torch.ones_like(base)])
        self.beta = torch.cat([self.beta, self.beta.new_zeros(len(self.beta), len(rows))], 1)
        return len(rows)

    def improve(self, gap: float) -> None:
        """Minimise over the elements, to ``gap``; then drop those that do not matter."""
        roots = [_root(gram) for gram in self.grams]
        start = [
            inverse.T @ (gram @ beta)
            for (_, inverse), gram, beta in zip(roots, self.grams, self.beta, strict=True)
        ]
        # strictly inside: the last answer may be on the edge, to rounding
        inside = [v * min(1.0, 0.999 * self.radius / max(float(v.norm()), 1e-300)) for v in start]
        program = MinMaxProgram(
            group=self.group,
            groups=len(self.y),
            base=self.base,
            factors=tuple(factor for factor, _ in roots),
            radius=self.radius,
            functions=self._functions,
        )
        found = solve(program, gap=gap, start=torch.cat(inside), shares=self.shares)
        self.lower_bound = max(self.lower_bound, found.lower_bound)
        parts = torch.split(found.v, program.sizes)
        self.beta = torch.stack([inverse @ v for (_, inverse), v in zip(roots, parts, strict=True)])
        self.current, self.shares = (self.points, self.beta), found.shares

    def drop(self) -> None:
        """Forget the elements without a share in the lower bound, but one of every example."""
        most = torch.zeros_like(self.y).scatter_reduce(0, self.group, self.shares, "amax")
        keep = (self.shares > _DROP * most[self.group]).nonzero().flatten()
        self.shares = self.shares[keep]
        self.points, self.group, self.base = self.points[keep], self.group[keep], self.base[keep]
        self.tangents_at, self.beta = self.tangents_at[keep], self.beta[:, keep]
        self.grams = [gram[keep][:, keep] for gram in self.grams]

    def _functions(self, f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The elements' losses at outputs ``f``, two derivatives; tangents where not smooth."""
        y = self.y[self.group]
        if not self.smooth:
            slope = self.loss.derivative(self.tangents_at, y)
            value = self.loss(self.tangents_at, y) + slope * (f - self.tangents_at)
            return value, slope, torch.zeros_like(f)
        with torch.enable_grad():
            outputs = f.detach().requires_grad_()
            slope = self.loss.derivative(outputs, y)
            (curve,) = torch.autograd.grad(slope.sum(), outputs)
        return self.loss(f, y), slope.detach(), curve

    def result(self, judge: str, closed: bool, setting: Setting) -> Comparator:
        """The best function so far."""
        points, beta = self.best
        squared = sum(
            float(b @ gram @ b) for b, gram in zip(beta, self.features.grams(points), strict=True)
        )
        return Comparator(
            weights=self.features.weights(points, beta),
            value=self.value,
            lower_bound=min(self.lower_bound, self.value),
            radius=self.radius,
            distance=math.sqrt(max(squared, 0.0)),
            judge=judge,
            closed=closed,
            setting=setting,
            points=points,
            coefficients=beta,
            function=self.features.function(points, beta),
        )


def _root(gram: Tensor) -> tuple[Tensor, Tensor]:
    """L (N, r) with L L^T = gram, and M (N, r) with L^T M = I, without directions of rounding."""
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    keep = values > _RANK * max(float(values[-1]), 0.0)
    roots = values[keep].sqrt()
    return vectors[:, keep] * roots, vectors[:, keep] / roots
