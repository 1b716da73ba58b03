"""The contract of every attack, kept in one place; an attack adds only its search.

An attack looks for x' in the perturbation set of every example with a large loss. What it finds
gives the *surrogate loss*; the true maximum over the set is the *robust loss*, which is never less.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from .. import numerics
from ..losses import Loss
from ..numerics import check_alike, check_floats, check_shape, per_row
from ..perturbations import Perturbation

Model = Callable[[Tensor], Tensor]


class NonFiniteOutputError(ValueError):
    """The model answered with NaN or an infinity."""


class Attack(ABC):
    """A rule that moves every example inside its perturbation set to raise the loss.

    Subclasses are frozen dataclasses with keyword-only fields and give ``_search``. An attack that
    draws random numbers has a field ``seed``, used where a call brings no generator of its own.
    """

    @final
    def __call__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        *,
        perturbation: Perturbation,
        loss: Loss,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The best points found: shape, dtype and device of ``x`` (n, ...), detached.

        ``model`` maps (n, ...) to outputs (n,); ``y`` (n,) holds labels -1 and +1. A model that is
        a torch module runs in evaluation mode, so that every output depends on its own input only.

        Guaranteed: every x' lies in its set, to rounding; no example's loss is less than at ``x``;
        with radius 0 or n = 0 the answer is ``x`` itself, bit by bit; without ``generator`` the
        call is deterministic. Every submodule's mode, every ``param.grad``, grad mode, autocast
        and the global random state are left as found, also when the model raises.

        Raises ``TypeError`` or ``ValueError`` for inputs that are not finite float32 or float64,
        labels other than -1 and +1, an ``x`` outside its own set, outputs that are not (n,) finite
        numbers of the type of ``x``, and a model in another dtype or on another device.
        """
        _check_arguments(x, y, perturbation, loss, generator)
        with undisturbed(model, x.device):
            # clones made here are ordinary tensors even where x was made in inference mode
            x, y = x.detach().clone(), y.detach().clone()
            perturbation.contains(x, x)  # the set's own checks of x
            if len(x) == 0:
                return x
            if generator is None:
                generator = numerics.generator(getattr(self, "seed", 0))
            problem = Problem(model, x, y, perturbation, loss)
            self._search(problem, generator)
            found = problem.result()
            inside = perturbation.contains(found, x)
            if not bool(inside.all()):
                outside = inside.logical_not().nonzero().flatten().tolist()
                raise RuntimeError(f"{self!r} left {perturbation!r} at examples {outside[:5]}")
            return found

    @abstractmethod
    def _search(self, problem: Problem, generator: torch.Generator) -> None:
        """Evaluate points of the set through ``problem``, which keeps the best of each example.

        Every point handed to ``problem`` must lie in the set. Random numbers come from
        ``generator`` alone.
        """

    def state(self) -> dict[str, Tensor]:
        """What the attack remembers from one call to the next; nothing, for almost all of them."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a ``state`` that an equal attack returned."""
        if state:
            raise ValueError(f"{self!r} remembers nothing, got a state of {sorted(state)}")


class Problem:
    """What an attack may ask about the model; remembers the best point of every example.

    ``x`` (n, ...) are the examples, ``y`` (n,) their labels, ``perturbation`` the sets.
    """

    def __init__(
        self, model: Model, x: Tensor, y: Tensor, perturbation: Perturbation, loss: Loss
    ) -> None:
        self.x, self.y, self.perturbation = x, y, perturbation
        self._model, self._loss = model, loss
        self._best = x
        self._best_values = torch.full_like(y, -torch.inf)
        self._start_values: Tensor | None = None
        self._asked = False

    def values(self, z: Tensor) -> Tensor:
        """The losses (n,) at points ``z`` (n, ...); (n, k) at k points an example (n, k, ...)."""
        if z.dim() == self.x.dim():
            values = self._losses(self.outputs(z), self.y)
            self._keep(z, values)
            return values
        n, k = z.shape[:2]
        values = self._losses(self.outputs(z.flatten(0, 1)), self.y.repeat_interleave(k))
        values = values.reshape(n, k)
        top = values.argmax(1)
        rows = torch.arange(n, device=z.device)
        self._keep(z[rows, top], values[rows, top])
        return values

    def values_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The losses (n,) at ``z`` (n, ...) and a direction (n, ...) in which each loss rises.

        The direction is the input gradient of the output times the *sign* of the loss's slope,
        that is the gradient of the loss up to a positive factor an example. A loss so flat that
        its slope rounds to 0 therefore does not blind the attack; where the slope is exactly 0,
        the direction is the one that lowers the margin y f.
        """
        f, gradient = self.outputs_and_gradient(z)
        values = self._losses(f, self.y)
        self._keep(z, values)
        sign = self._loss.derivative(f, self.y).sign()
        sign = torch.where(sign == 0, -self.y, sign)
        return values, per_row(sign, gradient) * gradient

    def outputs(self, z: Tensor) -> Tensor:
        """The model's outputs (k,) at ``z`` (k, ...), checked; keeps nothing."""
        with torch.no_grad():
            return outputs(self._model, z)

    def outputs_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The model's outputs (n,) and their input gradients (n, ...); keeps nothing.

        Only the gradient in the input is computed, never one in the parameters.
        """
        z = z.detach().requires_grad_()
        f = outputs(self._model, z)
        gradient: Tensor | None = None
        if f.requires_grad:
            (gradient,) = torch.autograd.grad(f, z, torch.ones_like(f), allow_unused=True)
        if gradient is None:
            raise ValueError(
                "the model's outputs carry no gradient to its inputs (does it detach them, or run "
                "under torch.no_grad?); attacks that need none are RandomNoise and GridMax"
            )
        if not bool(torch.isfinite(gradient).all()):
            raise ValueError("the model's input gradient must be finite, got NaN or infinities")
        return f.detach(), gradient

    def result(self) -> Tensor:
        """The best point (n, ...) of every example; ``x`` itself unless another is better."""
        if not self._asked:
            return self.x
        if self._start_values is None:
            self.values(self.x)
        assert self._start_values is not None
        better = self._best_values > self._start_values
        return torch.where(per_row(better, self.x), self._best, self.x)

    def _losses(self, f: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            return self._loss(f, y)

    def _keep(self, z: Tensor, values: Tensor) -> None:
        self._asked = True
        if z is self.x:
            self._start_values = values
        better = values > self._best_values
        self._best = torch.where(per_row(better, z), z, self._best)
        self._best_values = torch.where(better, values, self._best_values)


@contextmanager
def undisturbed(model: object, device: torch.device) -> Iterator[None]:
    """Evaluation mode, gradients on, autocast off; on leaving, all is as it was found.

    Modes are set and restored one submodule at a time: ``model.train()`` would thaw a layer that
    its owner had frozen. The global random state is put back even if the model draws from it.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    cuda = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=cuda),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode


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
    if not bool(torch.isfinite(f).all()):
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


def _check_arguments(
    x: Tensor, y: Tensor, perturbation: Perturbation, loss: Loss, generator: torch.Generator | None
) -> None:
    check_floats("x", x, min_dim=2)
    check_floats("y", y)
    check_shape("y", y, x.shape[:1])
    check_alike("x", x, "y", y)
    wrong = y[y.abs() != 1]
    if len(wrong):
        raise ValueError(f"y must have entries -1 and +1 only, got {float(wrong[0]):g}")
    if not isinstance(perturbation, Perturbation):
        raise TypeError(f"perturbation must be a set such as L2Ball(0.1), got {perturbation!r}")
    if isinstance(loss, type) or not callable(loss) or not hasattr(loss, "derivative"):
        raise TypeError(f"loss must be a loss such as PseudoHuber(), got {loss!r}")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(f"generator must be on the CPU, got one on {generator.device}")
