"""An attack that answers with what another found some calls ago."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..checks import check_integer, keep
from ..numerics import per_row
from .base import Attack, check_state
from .oracle import Oracle


@dataclass(frozen=True)
class Reused(Attack):
    """The answers of ``attack``, found anew at every ``every``-th call only; old ones in between.

    A call between two of them offers the points found last, projected where the sets are others: an
    example gets its old point where that is worse for the model of the day than x, else x. Where
    the examples are not those of the call before, it counts as the first. With ``every=1`` this
    is ``attack`` itself. A deep copy remembers nothing, so that a training run that starts with
    one does not depend on earlier calls; ``state`` and ``restore`` take a memory to another
    process. Raises ``ValueError`` for every < 1, ``TypeError`` where ``attack`` is none.
    """

    attack: Attack
    every: int = field(kw_only=True)
    _memory: dict[str, Tensor] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        if not isinstance(self.attack, Attack):
            raise TypeError(f"attack must be an attack such as PGD(), got {self.attack!r}")
        keep(self, every=check_integer("every", self.every, minimum=1))

    def __deepcopy__(self, memo: dict[int, object]) -> Reused:
        return Reused(copy.deepcopy(self.attack, memo), every=self.every)

    @property
    def seed(self) -> int:
        """The seed of the attack that is asked."""
        return int(getattr(self.attack, "seed", 0))

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        memory, x = self._memory, oracle.x
        known = "x" in memory and _alike(memory["x"], x)
        if known and int(memory["age"]) < self.every:
            memory["age"] = memory["age"] + 1
            sets, points = oracle.perturbation, memory["points"]
            inside = per_row(sets.contains(points, x), x)  # to rounding, which stays as it is
            oracle.values(torch.where(inside, points, sets.project(points, x)))
            return
        points = self.attack.move(oracle, generator)
        # clones, because the caller gets the originals and may write on them
        memory.update(x=x.clone(), points=points.clone(), age=torch.tensor(1, device="cpu"))

    def state(self) -> dict[str, Tensor]:
        """The examples of the last call, the points found for them, and their age in calls."""
        inner = {f"attack.{name}": value for name, value in self.attack.state().items()}
        return {**self._memory, **inner}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a ``state`` that an equal attack returned; {} is a new attack's state."""
        check_state(state)
        mine = {name: value for name, value in state.items() if not name.startswith("attack.")}
        if set(mine) not in (set(), {"x", "points", "age"}):
            raise ValueError(f"state must hold x, points and age, got {sorted(mine)}")
        if mine and mine["x"].shape != mine["points"].shape:
            shapes = tuple(mine["x"].shape), tuple(mine["points"].shape)
            raise ValueError(f"state must hold x and points of one shape, got {shapes}")
        if mine:
            check_integer("age of the state", mine["age"], minimum=1)
        inner = {name[7:]: value for name, value in state.items() if name.startswith("attack.")}
        self.attack.restore(inner)
        self._memory.clear()
        self._memory.update(mine)


def _alike(one: Tensor, other: Tensor) -> bool:
    same = one.shape == other.shape and one.dtype == other.dtype and one.device == other.device
    return same and torch.equal(one, other)
