"""The robust accuracy: how many examples are proved right on their whole set, how many broken."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from ..attacks import PGD, Adversary, Attack, GridMax
from ..attacks.base import check_adversary, check_arguments
from ..attacks.fitted import fitted
from ..attacks.oracle import Oracle, outputs
from ..checks import check_choice
from ..losses import Logistic
from ..models import Model, undisturbed
from ..numerics import down, steady, up
from ..samples import Labelled
from ..sets import Perturbation
from ..sets.hull import Hull, UnknownHull
from .affine import Layers
from .branch_and_bound import search_known
from .layers import read_layers
from .margin import MarginBound
from .output import ranges
from .search import EFFORTS
from .sequential import UnknownLayers

_PATIENCE = 3  # questions to the model before a proof that no attack breaks an example may pay
_PART = 64  # examples that are proved right together; with fewer it never pays


@dataclass(frozen=True, eq=False, repr=False)
class RobustAccuracy:
    """Of n examples, which are right on their whole set: ``proved`` (n,) or ``broken`` (n,), bool.

    The others are ``undecided``. Right means y f > 0. Where ``broken``, ``points`` (n, ...) holds a
    point of the set at which the model is wrong, checked; elsewhere x. ``how`` says in a few words
    each where a verdict comes from.
    """

    proved: Tensor
    broken: Tensor
    how: tuple[str, ...]
    points: Tensor = field(repr=False)

    @property
    def undecided(self) -> Tensor:
        """The examples (n,) that are neither proved nor broken."""
        return ~(self.proved | self.broken)

    @property
    def lower(self) -> float:
        """The share of examples that are proved: the robust accuracy is at least this ..."""
        return float(self.proved.double().mean())

    @property
    def upper(self) -> float:
        """... and at most this, the share of those that are not broken."""
        return float((~self.broken).double().mean())

    def __repr__(self) -> str:
        n, undecided = len(self.how), int(self.undecided.sum())
        share = f"{self.lower:.4g}"
        if undecided:
            share = f"between {down(self.lower, 4)} and {up(self.upper, 4)}"
        return (
            f"Robust accuracy {share}: of {n} point{'s' * (n > 1)}, {int(self.proved.sum())} "
            f"proved right on their whole set, {int(self.broken.sum())} broken, {undecided} "
            "undecided."
        )


@steady()
def robust_accuracy(
    model: Model,
    sample: Labelled,
    *,
    perturbation: Perturbation,
    attack: Adversary | None = None,
    effort: str = "medium",
) -> RobustAccuracy:
    """How many examples of the sample the model gets right at every point of their set.

    ``attack`` (``PGD`` with as many restarts as ``robust_loss`` gives it, by default) looks for
    points with y f <= 0, up the logistic loss, and an attack leaves an example alone once it is
    decided: broken, or, in a larger sample of a net that ``output_bounds`` knows, proved right by a
    bound from the norms of the weights. What it leaves open is then tried by linear bounds and by
    exact search, as in ``robust_loss``; sets that are ``Finite`` are enumerated instead.

    ``effort`` is "low" (the attack and the norms only: what is left undecided held out), "medium"
    or "high", with the limits of ``robust_loss``; where a limit by time was met, the answer depends
    on the machine.

    A broken example has a point that ``perturbation.contains`` and that the model gets wrong; a
    proved one is right, as the model computes it in its own dtype, at every tensor that
    ``perturbation.contains``. Models and sets that bounds do not know leave the rest undecided.
    Raises ``TypeError`` and ``ValueError`` as attacks do, and for an empty sample.
    """
    limits = EFFORTS[check_choice("effort", effort, EFFORTS)]
    if attack is None:
        attack = PGD(restarts=limits.restarts)
    check_adversary("attack", attack)
    sample = fitted(sample, model)
    x, y = sample.x.detach(), sample.y.detach()
    check_arguments(model, x, y, perturbation, Logistic())
    verdict = _Verdict(model, x, y, perturbation)
    with undisturbed(model, x.device):
        layers: Layers | None = None
        with suppress(UnknownLayers):
            layers = read_layers(model, x)
        sets: Hull | None = None
        if layers is not None and layers.unbounded is not None:
            layers = None  # an activation without the facts that a proof needs
        with suppress(UnknownHull):
            sets = perturbation.hull(x)
        proof = _Proof(layers, sets, y)
        oracle = Oracle(model, x, y, perturbation, Logistic(), decide=proof)
        if perturbation.finite:
            verdict.offer(GridMax().answer(oracle))
            return verdict.all_seen(f"by looking at {perturbation.grid(x, 1).shape[1]} points")
        if oracle.region.is_point:
            verdict.offer(x)
            return verdict.all_seen("the only point of its set")
        if not isinstance(attack, Attack):  # which would look at x as well
            verdict.offer(x)
        verdict.offer(attack.answer(oracle))
        verdict.prove(proof.proved, "by norms")
        rest = verdict.undecided()
        if effort == "low" or layers is None or sets is None or not len(rest):
            return verdict.result()
        low, high, points = ranges(layers, sets.rows(rest), linear=True)
        for z in points:
            verdict.offer(perturbation.project(z.to(x.dtype).reshape(x[rest].shape), x[rest]), rest)
        verdict.prove(torch.where(y[rest] > 0, low, -high) > 0, "by linear bounds", rest)
        rest = verdict.undecided()
        if len(rest) and not layers.affine:
            search = search_known(
                layers,
                sets.rows(rest),
                model,
                x[rest],
                y[rest],
                x[rest],
                perturbation=perturbation,
                loss=_ZeroOne(),
                nodes=limits.nodes,
                seconds=limits.seconds,
            )
            if search is not None:
                low, high = search.outputs.unbind(1)
                verdict.offer(search.points, rest)
                verdict.prove(torch.where(y[rest] > 0, low, -high) > 0, "by search", rest)
        return verdict.result()


class _Proof:
    """Says during an attack which examples are right on their whole set, by norms: once.

    The likeliest come first: where a part of them has none, the rest is not looked at.
    """

    def __init__(self, layers: Layers | None, sets: Hull | None, y: Tensor) -> None:
        self._layers, self._sets, self._y = layers, sets, y
        self._questions = 0
        self.proved = torch.zeros_like(y, dtype=torch.bool)

    def __call__(self, rows: Tensor, values: Tensor) -> Tensor:
        self._questions += 1
        late = self._questions == _PATIENCE and len(rows) >= _PART
        if late and self._layers is not None and self._sets is not None:
            bound = MarginBound(self._layers, self._sets)
            for part in torch.split(rows[values.argsort()], _PART):
                self.proved[part] = bound.least(part, self._y[part]) > 0
                if not bool(self.proved[part].any()):
                    break
        return self.proved[rows]


class _Verdict:
    """What is known so far of every example."""

    def __init__(self, model: Model, x: Tensor, y: Tensor, perturbation: Perturbation) -> None:
        self._model, self._x, self._y, self._perturbation = model, x, y, perturbation
        self.points = x.clone()
        self.proved = torch.zeros_like(y, dtype=torch.bool)
        self.broken = torch.zeros_like(self.proved)
        self._how = ["undecided"] * len(x)

    def undecided(self) -> Tensor:
        """The examples (k,) of which nothing is known."""
        return (~(self.proved | self.broken)).nonzero()[:, 0]

    def offer(self, z: Tensor, rows: Tensor | None = None) -> None:
        """Points of the examples ``rows``, None for all: those in their sets and wrong break."""
        x, y = (self._x, self._y) if rows is None else (self._x[rows], self._y[rows])
        with torch.no_grad():
            wrong = outputs(self._model, z) * y <= 0
        wrong &= self._perturbation.contains(z, x)
        places = wrong.nonzero()[:, 0]
        examples = places if rows is None else rows[places]
        self.points[examples], self.broken[examples] = z[places], True
        self._say(examples.tolist(), "broken")

    def prove(self, safe: Tensor, words: str, rows: Tensor | None = None) -> None:
        """Those of the examples ``rows``, None for all, that are ``safe`` and not broken."""
        places = safe.nonzero()[:, 0]
        examples = places if rows is None else rows[places]
        examples = examples[~self.broken[examples]]
        self.proved[examples] = True
        self._say(examples.tolist(), f"proved {words}")

    def all_seen(self, words: str) -> RobustAccuracy:
        """The answer where every point of the sets has been looked at."""
        self.prove(~self.broken, words)
        return self.result()

    def result(self) -> RobustAccuracy:
        """The answer."""
        return RobustAccuracy(self.proved, self.broken, tuple(self._how), self.points)

    def _say(self, examples: Sequence[int], words: str) -> None:
        for i in examples:
            self._how[i] = words


class _ZeroOne:
    """1 where y f <= 0, else 0, and a slope that says so: for a search that ends at a sign.

    Not convex, but it falls in y f, so that it is largest at an end of a range of outputs all the
    same. A part of a set that is right throughout cannot raise it, and is dropped; so is every
    part once a wrong point is found.
    """

    lipschitz: ClassVar[float] = 1.0
    smoothness: ClassVar[float | None] = None
    zero_at_label: ClassVar[bool] = True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss (n,)."""
        return (f * y <= 0).to(f)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """Minus y where the loss is 1, else 0."""
        return torch.where(f * y <= 0, -y, torch.zeros_like(f))
