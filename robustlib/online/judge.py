"""A judge for sets that cannot be enumerated: many runs, along gradients that see jumps."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..activations import Activation
from ..attacks import PGD, Attack
from ..attacks.oracle import Oracle
from ..checks import check_integer, keep
from ..models import Model
from .features import AtWeights

_BLURS = 0.1, 0.4  # half widths of the ramps, in preactivations, which are about 1
_ROWS = 2**12  # rows of one forward pass: fast, and small enough for a kernel with many terms


@dataclass(frozen=True, kw_only=True)
class BlurredPGD(Attack):
    """``PGD`` ``restarts`` times from every x, on the model and on blurred ones.

    The linearised net of an activation with a kink jumps wherever a unit's sign changes, and its
    gradient, the same on both sides, says nothing of it. So the search is repeated along the
    gradients of the net with every jump spread over a ramp, narrower and wider ones, while losses
    are always those of the net itself. On other models it is ``PGD`` alone, on many rows at once:
    its runs, one every ten steps, begin at random points of their own. Raises ``ValueError`` for
    steps < 1 or restarts < 1.
    """

    steps: int = 50
    restarts: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, steps=check_integer("steps", self.steps, minimum=1))
        keep(self, restarts=check_integer("restarts", self.restarts, minimum=1))
        keep(self, seed=check_integer("seed", self.seed, minimum=0))

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        seed = int(torch.randint(2**31, (), generator=generator, device="cpu"))
        x, y = oracle.x, oracle.y
        most = max(1, _ROWS // len(x))
        for model in (oracle.model, *blurred(oracle.model)):
            for first in range(0, self.restarts, most):
                k = min(most, self.restarts - first)
                found = PGD(steps=self.steps, seed=seed + first)(
                    model,
                    torch.cat([x] * k),
                    y.repeat(k),
                    perturbation=oracle.perturbation,
                    loss=oracle.loss,
                )
                for z in torch.split(found, len(x)):
                    oracle.values(z)


def blurred(model: Model) -> tuple[Model, ...]:
    """Models with the outputs of ``model`` and gradients that see its jumps; none for most."""
    if not isinstance(model, AtWeights):
        return ()
    activation = model.net.base_net.activation
    if not isinstance(activation, Activation) or activation.smooth:
        return ()
    return tuple(_Blurred(model, _spread(activation, half)) for half in _BLURS)


class _Blurred:
    """A linearised net at its weights, with gradients of one whose s' is a mean over a window."""

    def __init__(self, model: AtWeights, spread: Activation) -> None:
        self.model, self.base = model, copy.copy(model.net.base_net)  # with the same tensors
        vars(self.base)["activation"] = spread
        pairs = zip(model.weights, model.net.start(), strict=True)
        self.step = [w - start for w, start in pairs]

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs (n,) of the model itself at ``x`` (n, d), the gradient of the other."""
        soft: Tensor = self.base.expand(self.step, x)
        with torch.no_grad():
            correction: Tensor = self.model(x) - soft
        outputs: Tensor = soft + correction
        return outputs


def _spread(activation: Activation, half: float) -> Activation:
    """The activation with s' replaced by its mean over [z - half, z + half]."""
    function = activation.function

    def mean(z: Tensor) -> Tensor:
        return (function(z + half) - function(z - half)) / (2 * half)

    derivative: Callable[[Tensor], Tensor] = mean
    return dataclasses.replace(activation, derivative=derivative)
