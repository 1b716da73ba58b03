"""What an attack may ask about a model and its examples; it keeps the best points itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..checks import all_finite, check_alike, check_outputs
from ..losses import Loss
from ..models import Model, ask, explain
from ..networks import Stack, known_net
from ..numerics import choose
from ..sets import Perturbation, StepSets
from .best import Best

Decide = Callable[[Tensor, Tensor], Tensor]
_FAR = 100.0  # an output where a one-sided loss no longer rises


class NonFiniteOutputError(ValueError):
    """The model answered with NaN or an infinity."""


class AllDecided(Exception):
    """Every example is decided: there is nothing more to ask."""


class Oracle:
    """Answers what an attack asks about the model; remembers the best point of every example.

    ``x`` (n, ...) are the examples, ``y`` (n,) their labels, ``perturbation`` the sets, ``region``
    the sets bound to ``x``, for loops; ``model`` and ``loss`` are what is asked, to look at only:
    what they are asked past the methods here is not remembered. ``two_sided`` says whether the loss
    rises in both directions of the output, so that the largest and the smallest may be the worst.

    With ``decide`` the question is which examples are right on their whole set, and no longer how
    large the loss gets: an example is decided once a point with y f <= 0 is found, whose loss then
    counts as infinite, or once ``decide(rows, values)`` says so. It is told after every question
    which examples (k,) are still undecided and the largest losses (k,) found for them, and answers
    with (k,) bool. Nothing more is asked about examples that are decided.

    Where there are ``generators``, the examples are that many groups of one size, one after the
    other, and random numbers for each group come from one that its own function makes. A ``region``
    that is given saves binding the sets to ``x`` once more.
    """

    def __init__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        perturbation: Perturbation,
        loss: Loss,
        *,
        decide: Decide | None = None,
        generators: Sequence[Callable[[], torch.Generator]] = (),
        region: StepSets | None = None,
    ) -> None:
        self.x, self.y, self.perturbation = x, y, perturbation
        self.region = perturbation.at(x) if region is None else region
        self.model, self.loss = model, loss
        self.generators = tuple(generators)
        # that knows its input gradient
        self._net = model if isinstance(model, Stack) else known_net(model, x)
        far = torch.full_like(y, _FAR)
        self.two_sided = bool((loss.derivative(far * y, y) * y > 0).any())
        self._best = Best(x, y.dtype)
        self._start_values: Tensor | None = None
        self._decide = decide
        self._active: Tensor | None = None  # indices of the undecided examples, None for all

    def values(self, z: Tensor) -> Tensor:
        """The losses (n,) at points ``z`` (n, ...); (n, k) at k points an example (n, k, ...).

        An example that is decided has the loss infinity.
        """
        points, y, everyone = self._asked(z), self._asked(self.y), self._active
        if z.dim() == self.x.dim():
            values = self._losses(self.outputs(points), y)
            self._keep(points, values, z is self.x)
        else:
            n, k = points.shape[:2]
            f = self.outputs(points.flatten(0, 1)).reshape(n, k)
            values = self._losses(f, y.unsqueeze(1).expand(n, k))
            top = values.argmax(1)
            rows = torch.arange(n, device=z.device)
            self._keep(points[rows, top], values[rows, top])
        return self._scattered(values, everyone, torch.inf)

    def values_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The losses (n,) at ``z`` (n, ...) and a direction (n, ...) in which each loss rises.

        The direction is the input gradient of the output times the *sign* of the loss's slope,
        that is the gradient of the loss up to a positive factor an example. A loss so flat that
        its slope rounds to 0 therefore does not blind the attack; where the slope is exactly 0,
        the direction is the one that lowers the margin y f. An example that is decided has the
        loss infinity and the direction 0. The direction is the caller's to overwrite.
        """
        points, y, everyone = self._asked(z), self._asked(self.y), self._active

        def sign(f: Tensor) -> Tensor:
            signs = self.loss.derivative(f, y).sign()
            return torch.where(signs == 0, -y, signs)

        f, direction = self._differentiated(points, sign)
        values = self._losses(f, y)
        self._keep(points, values, z is self.x)
        return (
            self._scattered(values, everyone, torch.inf),
            self._scattered(direction, everyone, 0.0),
        )

    def outputs(self, z: Tensor) -> Tensor:
        """The model's outputs (k,) at ``z`` (k, ...), checked; keeps nothing."""
        if isinstance(self.model, Stack):  # which checks them and makes no graph
            return self.model(z)
        with torch.no_grad():
            return outputs(self.model, z)

    def outputs_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The model's outputs (n,) and their input gradients (n, ...); keeps nothing.

        Only the gradient in the input is computed, never one in the parameters.
        """
        return self._differentiated(z, torch.ones_like)

    def undecided(self, rows: Tensor) -> Tensor:
        """``rows`` (n,) of examples, without those that are decided: their answers are known."""
        if self._active is None:
            return rows
        return rows & self._scattered(torch.ones_like(rows[self._active]), self._active, False)

    def result(self) -> Tensor:
        """The best point (n, ...) of every example; ``x`` itself unless another is better."""
        best = self._best.points()
        if best is self.x:
            return best
        if self._start_values is None:
            if self._active is not None and not len(self._active):
                return best
            self.values(self.x)
        assert self._start_values is not None
        return choose(self._best.values > self._start_values, self._best.points(), self.x)

    def _differentiated(
        self, z: Tensor, weights: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Outputs f (n,) at ``z`` and gradients (n, ...) of weights(f) * f, the weights held."""
        if self._net is not None:
            f, direction = self._net.input_gradient(z)
            if not isinstance(self._net, Stack):  # which has looked for itself
                _check_numbers(f, direction)
            return f, direction.mul_(weights(f).unsqueeze(1))
        z = z.detach().requires_grad_()
        f = _answered(self.model, z)
        gradient: Tensor | None = None
        if f.requires_grad:
            try:
                # of a number: with grad_outputs torch would load all of sympy to compare two shapes
                weighted = (f * weights(f.detach())).sum()
                (gradient,) = torch.autograd.grad(weighted, z, allow_unused=True)
            except Exception as error:
                _check_numbers(f)
                explain(self.model, z, error)
                raise
        _check_numbers(f, gradient)
        if gradient is None:
            raise ValueError(
                "the model's outputs carry no gradient to its inputs (does it detach them, or run "
                "under torch.no_grad?); attacks that need none are Square, RandomNoise and GridMax"
            )
        # a sum's gradient is one number behind many
        return f.detach(), gradient.contiguous()

    def _asked(self, rows: Tensor) -> Tensor:
        """Those of ``rows`` (n, ...) whose examples are undecided."""
        if self._active is None:
            return rows
        if not len(self._active):
            raise AllDecided
        return rows.index_select(0, self._active)

    def _scattered(self, rows: Tensor, places: Tensor | None, rest: float) -> Tensor:
        """``rows`` at their ``places`` among all n, with ``rest`` elsewhere."""
        if places is None:
            return rows
        everyone = rows.new_full((len(self.x), *rows.shape[1:]), rest)
        return everyone.index_copy_(0, places, rows)

    def _losses(self, f: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            values = self.loss(f, y)
            return torch.where(f * y <= 0, torch.inf, values) if self._decide else values

    def _keep(self, z: Tensor, values: Tensor, start: bool = False) -> None:
        """Remember what is better in ``z`` and its losses, for the undecided examples."""
        active = self._active
        if start:
            self._start_values = self._scattered(values, active, -torch.inf)
        self._best.offer(z, values, active)
        if self._decide is not None:
            going = (values < torch.inf).nonzero().flatten()
            rows = going if active is None else active[going]
            self._active = rows[~self._decide(rows, self._best.values[rows])]


def outputs(model: Model, z: Tensor) -> Tensor:
    """The outputs (n,) of ``model`` at ``z`` (n, ...), or an error that says what it returned."""
    f = _answered(model, z)
    _check_numbers(f)
    return f


def _answered(model: Model, z: Tensor) -> Tensor:
    """The outputs (n,) of ``model`` at ``z`` (n, ...), numbers or not."""
    f = check_outputs(ask(model, z), z.shape)
    check_alike("the model's output", f, "its input", z)
    return f.clone()  # a model may write its next answer over this one


def _check_numbers(f: Tensor, gradient: Tensor | None = None) -> None:
    """Raise where outputs or gradients are not finite: one question, for which a host waits."""
    total = f.detach().sum() if gradient is None else f.detach().sum() + gradient.sum()
    if math.isfinite(float(total)):
        return
    if not all_finite(f):
        bad = int((~torch.isfinite(f)).sum())
        raise NonFiniteOutputError(f"the model returned NaN or infinity for {bad} of {len(f)} rows")
    if gradient is not None and not all_finite(gradient):
        raise ValueError("the model's input gradient must be finite, got NaN or infinities")
