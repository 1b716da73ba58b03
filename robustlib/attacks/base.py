"""The contracts of adversaries and attacks, kept in one place; a rule adds only its own part.

An adversary moves every example inside its perturbation set, to any end: this is all that theorems
on adversarial training ask. An attack looks for points of large loss there. What it finds gives
the *surrogate loss*; the true maximum over the set is the *robust loss*, which is never less.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import final

import torch
from torch import Tensor

from .. import numerics
from ..checks import (
    check_alike,
    check_floats,
    check_function,
    check_shape,
    shown,
)
from ..losses import Loss, check_loss
from ..models import Model, undisturbed
from ..numerics import steady
from ..sets import Perturbation, check_perturbation
from .oracle import AllDecided, Oracle


class Adversary(ABC):
    """Any rule that moves every example inside its perturbation set, well or badly.

    Subclasses are frozen dataclasses with keyword-only fields and give ``move``. One that draws
    random numbers has a field ``seed``, used where a call brings no generator of its own.
    """

    @final
    @steady()
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
        """Where every example is moved: shape, dtype and device of ``x`` (n, ...), detached.

        ``model`` maps (n, ...) to outputs (n,); ``y`` (n,) holds labels -1 and +1. A model that is
        a torch module runs in evaluation mode, so that every output depends on its own input only.

        On an accelerator FGSM, PGD and APGD make the host wait once for each question to the model,
        to learn whether its answers are finite, and some fifteen times besides, on balls and caps;
        other rules and sets wait more often. Nothing is compiled or recorded as a CUDA graph:
        whether that pays was never measured on a GPU.

        Random points are drawn for the batch as a whole, so that with a rule that uses some an
        answer may depend on the place in the batch; without, it is the same in every batch, to
        rounding.

        Guaranteed: every x' lies in its set, to rounding; with radius 0 or n = 0 the answer is
        ``x`` itself, bit by bit; without ``generator`` the call is deterministic. Every submodule's
        mode, its buffers, every ``param.grad``, grad mode, autocast and the global random state are
        left as found, also when the model raises; the model gets copies, on which it may write. Of
        an ``Attack`` also: no example's loss is less than at ``x``.

        Raises ``TypeError`` or ``ValueError`` for inputs that are not finite float32 or float64,
        labels other than -1 and +1, an ``x`` outside its own set, outputs that are not (n,) finite
        numbers of the type of ``x``, and a model in another dtype or on another device;
        ``RuntimeError`` where the rule leaves the set.
        """
        check_arguments(model, x, y, perturbation, loss)
        _check_generator(generator)
        with undisturbed(model, x.device):
            # clones made here are ordinary tensors even where x was made in inference mode
            x, y = x.detach().clone(), y.detach().clone()
            oracle = Oracle(model, x, y, perturbation, loss)
            if len(x) == 0:
                return x
            if oracle.region.is_point:
                oracle.values(x)  # so that a model that cannot be attacked is still found out
                return x
            return self.answer(oracle, generator=generator)

    @final
    @steady()
    def answer(self, oracle: Oracle, *, generator: torch.Generator | None = None) -> Tensor:
        """What ``move`` finds for a new ``oracle``, checked to lie in the sets.

        Without ``generator`` random numbers are those of the rule's own ``seed``, 0 where it has
        none. Raises ``TypeError``, ``ValueError`` or ``RuntimeError`` for a wrong answer.
        """
        _check_oracle(oracle)
        _check_generator(generator)
        if generator is None:
            generator = numerics.generator(getattr(self, "seed", 0))
        found, x = self.move(oracle, generator), oracle.x
        name = f"the answer of {self!r}"
        check_shape(name, check_floats(name, found), x.shape)
        check_alike(name, found, "x", x)
        inside = oracle.region.contains(found)
        if not bool(inside.all()):
            outside = inside.logical_not().nonzero().flatten().tolist()
            raise RuntimeError(f"{self!r} left {oracle.perturbation!r} at examples {outside[:5]}")
        return found.detach()

    @abstractmethod
    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        """The points (n, ...) to which the examples ``oracle.x`` are moved, each in its set.

        ``oracle`` answers what the model does at points of them. Random numbers come from
        ``generator`` alone. A rule may ask another one so; ``answer`` checks what comes out.
        """

    def state(self) -> dict[str, Tensor]:
        """What the rule remembers from one call to the next; nothing, for almost all of them."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a ``state`` that an equal rule returned; {} is a new one's state."""
        if check_state(state):
            raise ValueError(
                f"state must be {{}}, for {self!r} remembers nothing, got one of {sorted(state)}"
            )


class Attack(Adversary):
    """An adversary that looks for large losses and is never worse than its start.

    Subclasses give ``_search`` instead of ``move``: the oracle keeps the best point they ask for.
    """

    @final
    @steady()
    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        """Search on ``oracle``, as far as it has to go; the best point of every example.

        That is the best that ``oracle`` has been asked for, also before; ``x`` unless another is
        better.
        """
        _check_oracle(oracle)
        _check_generator(generator, needed=True)
        with suppress(AllDecided):
            self._search(oracle, generator)
        return oracle.result()

    @abstractmethod
    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        """Evaluate points of the set through ``oracle``, which keeps the best of each example.

        Every point handed to ``oracle`` must lie in the set, and is not to be changed in place
        afterwards. Random numbers come from ``generator`` alone.
        """


def check_adversary(name: str, value: object) -> None:
    """Raise where ``value`` is no adversary: a class, say."""
    if not isinstance(value, Adversary):
        raise TypeError(f"{name} must be an attack such as PGD(), got {value!r}")


def check_arguments(
    model: Model, x: Tensor, y: Tensor, perturbation: Perturbation, loss: Loss
) -> None:
    """Raise for what no call takes; an ``x`` outside its own set is left to the set."""
    check_function("model", model, "x", "map inputs (n, ...) to outputs (n,)")
    check_floats("x", x, min_dim=2)
    check_floats("y", y)
    check_shape("y", y, x.shape[:1], fits="x")
    check_alike("x", x, "y", y)
    wrong = y[y.abs() != 1]
    if len(wrong):
        raise ValueError(f"y must have entries -1 and +1 only, got {float(wrong[0]):g}")
    check_perturbation(perturbation)
    check_loss(loss)


def check_state(state: object) -> dict[str, Tensor]:
    """``state`` where it is a dict of tensors by name."""
    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict of tensors by name, got {type(state).__name__}")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise TypeError(f"state must be a dict of tensors by name, got {shown(name)} in it")
    return state


def _check_oracle(oracle: object) -> None:
    if not isinstance(oracle, Oracle):
        raise TypeError(f"oracle must be an Oracle, got {type(oracle).__name__}")


def _check_generator(generator: torch.Generator | None, *, needed: bool = False) -> None:
    if (needed or generator is not None) and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(f"generator must be on the CPU, got one on {generator.device}")
