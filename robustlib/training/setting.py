"""The setting of a run: sample, perturbation sets, loss and attack, each known again later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from ..attacks.base import Adversary
from ..checks import FLOATS, check_floats
from ..losses import Loss, check_loss
from ..samples import Labelled, check_labelled, in_dtype
from ..sets import Perturbation, check_perturbation
from .checkpoint import alike, describe, digest

_CHECKS: dict[str, Callable[[object], object]] = {
    "sample": check_labelled,
    "perturbation": check_perturbation,
    "loss": check_loss,
}


@dataclass(frozen=True, eq=False, repr=False)
class Setting:
    """What a robust loss is of, a sample with its sets and a loss, and the attack of a run.

    ``known`` says by name what each of them is: its repr, with a digest of the tensors in it. A
    file holds these words and nothing else, so that a setting read from one can tell whether it
    is given the same sample, set, loss or attack again, but has none itself.
    """

    known: dict[str, str]
    _held: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        sample: Labelled,
        perturbation: Perturbation,
        loss: Loss,
        attack: Adversary | None = None,
    ) -> Self:
        """The setting of these; raises where one of them is not of its kind."""
        held: dict[str, Any] = {"sample": sample, "perturbation": perturbation, "loss": loss}
        for name, check in _CHECKS.items():
            check(held[name])
        if attack is not None:
            held["attack"] = attack
        return cls({name: _describe(name, value) for name, value in held.items()}, held)

    @property
    def sample(self) -> Labelled:
        """The sample; ``ValueError`` where the setting was read from a file."""
        return self.same_sample(None)

    @property
    def perturbation(self) -> Perturbation:
        """The perturbation sets; ``ValueError`` where the setting was read from a file."""
        found: Perturbation = self._same("perturbation", None)
        return found

    @property
    def loss(self) -> Loss:
        """The loss; ``ValueError`` where the setting was read from a file."""
        return self.same_loss(None)

    @property
    def attack(self) -> Adversary:
        """The attack; ``ValueError`` where the setting was read from a file, or has none."""
        found: Adversary = self._same("attack", None)
        return found

    def same_sample(self, given: Labelled | None) -> Labelled:
        """The sample; ``given``, in the dtype of the run, where it is the same one.

        Else ``ValueError`` names both.
        """
        found: Labelled = self._same("sample", given)
        return found

    def same_loss(self, given: Loss | None) -> Loss:
        """The loss; ``given`` where it is the same one, else ``ValueError`` names both."""
        found: Loss = self._same("loss", given)
        return found

    def check_same(self, name: str, other: Setting) -> None:
        """Raise where ``other``, the setting of ``name``, has another sample, set or loss."""
        for part in _CHECKS:
            if not alike(self.known[part], other.known[part]):
                raise ValueError(
                    f"{name} must be for the {part} of the run, {self.known[part]}, "
                    f"got one for {other.known[part]}"
                )

    def _same(self, name: str, given: Any) -> Any:
        if given is None:
            if name not in self._held:
                known = self.known.get(name, "nothing")
                raise ValueError(
                    f"{name} is needed: of the one that there was, a file keeps only this: {known}"
                )
            return self._held[name]
        if name in _CHECKS:
            _CHECKS[name](given)
        seen = _describe(name, given)
        if alike(seen, self.known[name]):
            return given
        if name == "sample":  # a run of a float32 net has its sample in float32
            for dtype in FLOATS:
                recast = in_dtype(given, dtype)
                if _describe(name, recast) == self.known[name]:
                    return recast
        raise ValueError(f"{name} must be that of the run, {self.known[name]}, got {seen}")

    def __repr__(self) -> str:
        return ", ".join(f"{name} {text}" for name, text in self.known.items())


def _describe(name: str, value: Any) -> str:
    if name != "sample":
        return describe(value)
    x, y = check_floats("x", value.x), check_floats("y", value.y)
    return f"{len(x)} points with contents {digest([x, y])}"
