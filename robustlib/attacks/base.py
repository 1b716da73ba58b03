"""The contract of every attack, kept in one place; an attack adds only its search.

An attack looks for x' in the perturbation set of every example with a large loss. What it finds
gives the *surrogate loss*; the true maximum over the set is the *robust loss*, which is never less.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import final

import torch
from torch import Tensor, nn

from .. import numerics
from ..checks import check_alike, check_flag, check_floats, check_shape
from ..losses import Loss, check_loss
from ..sets import Perturbation, check_perturbation
from .problem import AllLeft, Model, Problem


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
        until_broken: bool = False,
    ) -> Tensor:
        """The best points found: shape, dtype and device of ``x`` (n, ...), detached.

        ``model`` maps (n, ...) to outputs (n,); ``y`` (n,) holds labels -1 and +1. A model that is
        a torch module runs in evaluation mode, so that every output depends on its own input only.

        With ``until_broken`` an example is left as soon as a point with y f <= 0 is found for it,
        and that point is the answer; in a larger sample of a net that ``output_bounds`` knows, also
        once bounds prove that there is none. That is what robust accuracy needs, for less work, but
        no longer the largest loss found. The other examples meet the same points as without; where
        the loss falls in y f (``Logistic``, ``Hinge``), so does therefore the accuracy.

        Guaranteed: every x' lies in its set, to rounding; without ``until_broken`` no example's
        loss is less than at ``x``; with radius 0 or n = 0 the answer is ``x`` itself, bit by bit;
        without ``generator`` the call is deterministic. Every submodule's mode, every
        ``param.grad``, grad mode, autocast and the global random state are left as found, also
        when the model raises.

        Raises ``TypeError`` or ``ValueError`` for inputs that are not finite float32 or float64,
        labels other than -1 and +1, an ``x`` outside its own set, outputs that are not (n,) finite
        numbers of the type of ``x``, and a model in another dtype or on another device.
        """
        _check_arguments(model, x, y, perturbation, loss, generator, until_broken)
        with undisturbed(model, x.device):
            # clones made here are ordinary tensors even where x was made in inference mode
            x, y = x.detach().clone(), y.detach().clone()
            problem = Problem(model, x, y, perturbation, loss, until_broken)
            if len(x) == 0:
                return x
            if problem.region.is_point:
                problem.values(x)  # so that a model that cannot be attacked is still found out
                return x
            if generator is None:
                generator = numerics.generator(getattr(self, "seed", 0))
            found = self._run(problem, generator)
            inside = problem.region.contains(found)
            if not bool(inside.all()):
                outside = inside.logical_not().nonzero().flatten().tolist()
                raise RuntimeError(f"{self!r} left {perturbation!r} at examples {outside[:5]}")
            return found

    @final
    def _run(self, problem: Problem, generator: torch.Generator) -> Tensor:
        """The search, as far as it has to go, and what it found."""
        with suppress(AllLeft):
            self._search(problem, generator)
        return problem.result()

    @abstractmethod
    def _search(self, problem: Problem, generator: torch.Generator) -> None:
        """Evaluate points of the set through ``problem``, which keeps the best of each example.

        Every point handed to ``problem`` must lie in the set, and is not to be changed in place
        afterwards. Random numbers come from ``generator`` alone.
        """

    def state(self) -> dict[str, Tensor]:
        """What the attack remembers from one call to the next; nothing, for almost all of them."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a ``state`` that an equal attack returned; {} is a new attack's state."""
        if state:
            raise ValueError(f"{self!r} remembers nothing, got a state of {sorted(state)}")


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


def _check_arguments(
    model: Model,
    x: Tensor,
    y: Tensor,
    perturbation: Perturbation,
    loss: Loss,
    generator: torch.Generator | None,
    until_broken: bool,
) -> None:
    if isinstance(model, type) or not callable(model):
        raise TypeError(f"model must map inputs (n, ...) to outputs (n,), got {model!r}")
    check_flag("until_broken", until_broken)
    check_floats("x", x, min_dim=2)
    check_floats("y", y)
    check_shape("y", y, x.shape[:1])
    check_alike("x", x, "y", y)
    wrong = y[y.abs() != 1]
    if len(wrong):
        raise ValueError(f"y must have entries -1 and +1 only, got {float(wrong[0]):g}")
    check_perturbation(perturbation)
    check_loss(loss)
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(f"generator must be on the CPU, got one on {generator.device}")
