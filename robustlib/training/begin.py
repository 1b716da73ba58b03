"""The beginning of a run: arguments checked once, for one run or for many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..attacks.base import Adversary, check_adversary
from ..attacks.fitted import fitted
from ..checks import calling, check_choice, check_function, check_integer, check_list, check_real
from ..losses import Loss
from ..numerics import generator
from ..samples import Labelled
from ..sets import Perturbation
from .comparison import Comparator
from .setting import Setting
from .step import Run

RECORDS = ("attacked", "weights")


@dataclass(frozen=True)
class Begun:
    """A run, what its steps draw from, and how long they are; ``words`` tell it from others."""

    run: Run
    step_size: float | Callable[[int], float]
    steps: int
    seed: int
    words: dict[str, str]

    def alpha(self, t: int) -> float:
        """The size of step t."""
        if not callable(self.step_size):
            return self.step_size  # looked at before
        with calling("step_size"):
            value = self.step_size(t)
        return check_real(f"step_size at step {t}", value, above=0)

    def draw(self) -> torch.Generator:
        """The random numbers of the next step."""
        return generator(self.seed, self.run.t)

    def step(self) -> None:
        """The next step."""
        self.run.step(self.alpha(self.run.t), self.draw())


def begin(
    net: nn.Module,
    sample: Labelled,
    *,
    perturbation: Perturbation,
    attack: Adversary,
    loss: Loss,
    step_size: float | Callable[[int], float],
    steps: int,
    radius: float | None,
    record: Iterable[str],
    comparator: Comparator | Sequence[Tensor] | None,
    seed: int,
) -> Begun:
    """A run before its first step; raises for what ``adversarial_training`` does not take."""
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch module, got {type(net).__name__}")
    for name, weight in net.named_parameters():
        if weight.is_meta:
            raise ValueError(f"net must have numbers in its weights, got {name} on the meta device")
    check_adversary("attack", attack)
    if callable(step_size):
        check_function("step_size", step_size, "t")
    else:
        step_size = check_real("step_size", step_size, above=0)
    asked = check_list("record", record, " such as ('weights',)")
    kept = sorted({check_choice("record", name, RECORDS) for name in asked})
    steps = check_integer("steps", steps, minimum=0)
    seed = check_integer("seed", seed, minimum=0)
    radius = None if radius is None else check_real("radius", radius, minimum=0)
    setting = Setting.of(fitted(sample, net), perturbation, loss, attack)
    given: Any = comparator
    if isinstance(comparator, Comparator):
        given = comparator.weights_for(setting)
    run = Run(net, setting, steps, radius, kept, given)
    words = {"radius": repr(radius), "record": repr(kept), "seed": repr(seed)}
    return Begun(run, step_size, steps, seed, words)
