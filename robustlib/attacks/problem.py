"""What an attack may ask about a model, and what it must not get wrong: the best point so far."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..checks import all_finite, check_alike
from ..losses import Loss
from ..numerics import choose
from ..sets import Perturbation
from ..sets.hull import UnknownHull

Model = Callable[[Tensor], Tensor]
_FAR = 100.0  # an output where a one-sided loss no longer rises
_PATIENCE = 3  # questions to the model before a proof that no attack breaks an example may pay
_PART = 64  # examples that are proved right together; with fewer it never pays


class NonFiniteOutputError(ValueError):
    """The model answered with NaN or an infinity."""


class AllLeft(Exception):
    """Every example is left: there is nothing more to ask."""


class Problem:
    """What an attack may ask about the model; remembers the best point of every example.

    ``x`` (n, ...) are the examples, ``y`` (n,) their labels, ``perturbation`` the sets, ``region``
    the sets bound to ``x``, for loops; ``model`` and ``loss`` are what is asked, to look at only:
    what they are asked past the methods here is not remembered. ``two_sided`` says whether the loss
    rises in both directions of the output, so that the largest and the smallest may be the worst.
    """

    def __init__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        perturbation: Perturbation,
        loss: Loss,
        until_broken: bool = False,
    ) -> None:
        self.x, self.y, self.perturbation = x, y, perturbation
        self.region = perturbation.at(x)
        self.model, self.loss = model, loss
        far = torch.full_like(y, _FAR)
        self.two_sided = bool((loss.derivative(far * y, y) * y > 0).any())
        self._best = _Best(x, y)
        self._start_values: Tensor | None = None
        self._until_broken, self._questions = until_broken, 0
        self._active: Tensor | None = None  # indices of the examples not left, None for all

    def values(self, z: Tensor) -> Tensor:
        """The losses (n,) at points ``z`` (n, ...); (n, k) at k points an example (n, k, ...).

        An example that is left has the loss infinity.
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
        the direction is the one that lowers the margin y f. An example that is left has the loss
        infinity and the direction 0. The direction is the caller's to overwrite.
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
        with torch.no_grad():
            return outputs(self.model, z)

    def outputs_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The model's outputs (n,) and their input gradients (n, ...); keeps nothing.

        Only the gradient in the input is computed, never one in the parameters.
        """
        return self._differentiated(z, torch.ones_like)

    def left(self, rows: Tensor) -> Tensor:
        """``rows`` (n,) of examples, without those that are left: their answers are known."""
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
        z = z.detach().requires_grad_()
        f = outputs(self.model, z)
        gradient: Tensor | None = None
        if f.requires_grad:
            (gradient,) = torch.autograd.grad(f, z, weights(f.detach()), allow_unused=True)
        if gradient is None:
            raise ValueError(
                "the model's outputs carry no gradient to its inputs (does it detach them, or run "
                "under torch.no_grad?); attacks that need none are Square, RandomNoise and GridMax"
            )
        if not all_finite(gradient):
            raise ValueError("the model's input gradient must be finite, got NaN or infinities")
        # a sum's gradient is one number behind many
        return f.detach(), gradient.contiguous()

    def _asked(self, rows: Tensor) -> Tensor:
        """Those of ``rows`` (n, ...) whose examples are not left."""
        if self._active is None:
            return rows
        if not len(self._active):
            raise AllLeft
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
            return torch.where(f * y <= 0, torch.inf, values) if self._until_broken else values

    def _keep(self, z: Tensor, values: Tensor, start: bool = False) -> None:
        """Remember what is better in ``z`` and its losses, for the examples not left."""
        active = self._active
        if start:
            self._start_values = self._scattered(values, active, -torch.inf)
        self._best.offer(z, values, active)
        if self._until_broken:
            going = (values < torch.inf).nonzero().flatten()
            self._active = going if active is None else active[going]
            self._questions += 1
            if self._questions == _PATIENCE and len(self._active) >= _PART:
                self._leave_safe(self._active)

    def _leave_safe(self, rows: Tensor) -> None:
        """Leave those of the examples ``rows`` that bounds prove right on their whole set.

        The likeliest come first: where a part of them has none, the rest is not looked at.
        """
        from ..verification.layers import read_layers
        from ..verification.margin import MarginBound

        layers = read_layers(self.model)
        if layers is None:
            return
        try:
            sets = self.perturbation.hull(self.x)
        except UnknownHull:
            return
        bound = MarginBound(layers, sets)
        proved = torch.zeros_like(self.y, dtype=torch.bool)
        for part in torch.split(rows[self._best.values[rows].argsort()], _PART):
            proved[part] = bound.least(part, self.y[part]) > 0
            if not bool(proved[part].any()):
                break
        self._active = rows[~proved[rows]]


class _Best:
    """The best point of every example, and its loss ``values`` (n,).

    A better point waits for the next one, and is copied only where that is no better still.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.values = torch.full_like(y, -torch.inf)
        self._points, self._owned = x, False
        self._waiting: tuple[Tensor, Tensor, Tensor] | None = None  # z, its better rows, their n

    def offer(self, z: Tensor, values: Tensor, active: Tensor | None) -> None:
        """Points ``z`` (k, ...) and their losses (k,), of the examples ``active``, None for all."""
        rows = (values > (self.values if active is None else self.values[active])).nonzero()[:, 0]
        if not len(rows):
            return
        if len(rows) == len(self.values):
            self._points, self.values, self._owned, self._waiting = z, values, False, None
            return
        places = rows if active is None else active[rows]
        self._settle(places)
        self._waiting = z, rows, places
        self.values = self.values.index_copy(0, places, values.index_select(0, rows))

    def points(self) -> Tensor:
        """The points (n, ...); not to be changed."""
        self._settle(self.values.new_empty(0, dtype=torch.long))
        return self._points

    def _settle(self, bettered: Tensor) -> None:
        """Copy what waits, but for the examples that are ``bettered``."""
        if self._waiting is None:
            return
        z, rows, places = self._waiting
        self._waiting = None
        stays = torch.ones_like(self.values, dtype=torch.bool).index_fill_(0, bettered, False)
        stays = stays[places]
        if bool(stays.any()):
            if not self._owned:  # handed in, or handed out
                self._points, self._owned = self._points.clone(), True
            self._points.index_copy_(0, places[stays], z.index_select(0, rows[stays]))


def outputs(model: Model, z: Tensor) -> Tensor:
    """The outputs (n,) of ``model`` at ``z`` (n, ...), or an error that says what it returned."""
    try:
        f = model(z)
    except Exception as error:
        _explain_mismatch(model, z, error)
        raise
    if not isinstance(f, Tensor):
        raise TypeError(f"the model must return a torch.Tensor, got {type(f).__name__}")
    if f.shape != z.shape[:1]:
        raise ValueError(
            f"the model must return one number an example, shape {(len(z),)} for inputs "
            f"{tuple(z.shape)}; got shape {tuple(f.shape)}"
        )
    check_alike("the model's output", f, "its input", z)
    if not all_finite(f):
        bad = int((~torch.isfinite(f)).sum())
        raise NonFiniteOutputError(f"the model returned NaN or infinity for {bad} of {len(f)} rows")
    return f


def _explain_mismatch(model: Model, z: Tensor, error: Exception) -> None:
    """Raise a clearer error where the model failed because its weights are of another kind.

    Only after a failure: a model may well hold weights of several kinds and convert by itself.
    """
    if not isinstance(model, nn.Module):
        return
    for name, weight in [*model.named_parameters(), *model.named_buffers()]:
        if weight.is_floating_point():
            try:
                check_alike(f"the model's {name}", weight, "x", z)
            except (TypeError, ValueError) as mismatch:
                raise mismatch from error
