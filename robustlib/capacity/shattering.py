"""The check of a gadget: every labelling of its points, by distances or by a class of functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_floats, check_integer, check_shape
from ..numerics import generator, steady
from .gadget import NORMS, Gadget

EXHAUSTIVE = 2**12  # the most labellings that are all tried
_ROUNDING = 1e-12  # in units of delta

Classifier = Callable[[Tensor], Tensor]
# A class of classifiers: what it fits to centres (n, d), labels (n,) and a radius.
ModelClass = Callable[[Tensor, Tensor, float], Classifier]


@dataclass(frozen=True, repr=False)
class Shattering:
    """What a check of a gadget saw: whether all of its labellings were forced.

    ``separation`` is the smallest distance between two centres and ``distance`` the largest from
    a point to the nearest centre of its label, both in units of delta. ``why`` names the first
    labelling that failed, and is empty where none did.
    """

    holds: bool
    labellings: int
    exhaustive: bool
    separation: float
    distance: float
    allowed: float
    why: str

    def __repr__(self) -> str:
        many = f"{'all' if self.exhaustive else 'random'} {self.labellings} labellings"
        numbers = (
            f"centres at least {self.separation:.4f} delta apart (2 asked), points at most "
            f"{self.distance:.4f} delta from a centre of their label (allowed: {self.allowed:.4g})"
        )
        if self.holds:
            return f"Shattered: {many} are forced; {numbers}."
        return f"Not shattered, {many} tried: {self.why}; {numbers}."


@steady()
def check_shattering(
    gadget: Gadget,
    model_class: ModelClass | None = None,
    *,
    random: int = 1000,
    seed: int = 0,
) -> Shattering:
    """Try the labellings of ``gadget``: all of them up to 4096, else ``random`` ones.

    For each one: the centres must be 2 delta apart, no point may be in balls of both labels, and
    every point must be in a ball of its own label. With ``model_class``, what it fits to the
    centres, their labels and the radius is applied to the points, and must give the labelling:
    ``lambda x, y, radius: nearest_centre(x, y, radius).net``, say. Raises ``TypeError`` or
    ``ValueError`` where it gives no function, or one that does not return (N,) numbers.
    """
    if not isinstance(gadget, Gadget):
        raise TypeError(f"gadget must be a Gadget, got {type(gadget).__name__}")
    random = check_integer("random", random, minimum=1)
    seed = check_integer("seed", seed, minimum=0)
    if model_class is not None and not callable(model_class):
        raise TypeError(f"model_class must be a function (x, y, radius), got {model_class!r}")
    exhaustive = 2 ** len(gadget.points) <= EXHAUSTIVE
    separation, distance, tried, why = math.inf, 0.0, 0, ""
    for labelling in _labellings(len(gadget.points), exhaustive, random, seed):
        x, y = gadget.data(labelling)
        apart, near, complaint = _look(gadget, labelling, x, y)
        if not complaint and model_class is not None:
            signs = torch.sign(_fitted(model_class, x, y, gadget).double())
            if not torch.equal(signs, labelling):
                complaint = "the fitted classifier gives another labelling"
        separation, distance = min(separation, apart), max(distance, near)
        tried += 1
        if complaint and not why:
            why = f"for {_signs(labelling)} {complaint}"
    return Shattering(not why, tried, exhaustive, separation, distance, gadget.rho, why)


def _fitted(model_class: ModelClass, x: Tensor, y: Tensor, gadget: Gadget) -> Tensor:
    """Outputs (N,) at the points of what the class fits to the centres."""
    classifier: object = model_class(x, y, gadget.radius)
    if not callable(classifier):
        kind = type(classifier).__name__
        raise TypeError(f"model_class(x, y, radius) must give a function of points, got {kind}")
    name = "model_class(x, y, radius)(points)"
    outputs = check_floats(name, classifier(gadget.points))
    check_shape(name, outputs, (len(gadget.points),))
    return outputs


def _labellings(count: int, exhaustive: bool, random: int, seed: int) -> Iterator[Tensor]:
    if exhaustive:
        for signs in itertools.product((1.0, -1.0), repeat=count):
            yield torch.tensor(signs, dtype=torch.float64)
        return
    stream = generator(seed)
    for _ in range(random):
        yield 2 * torch.randint(0, 2, (count,), generator=stream).double() - 1


def _look(gadget: Gadget, labelling: Tensor, x: Tensor, y: Tensor) -> tuple[float, float, str]:
    """Separation, largest distance (both over delta), and what is wrong, if anything is."""
    p, delta, allowed = NORMS[gadget.norm], gadget.delta, gadget.rho + _ROUNDING
    between = torch.cdist(x, x, p=p).fill_diagonal_(math.inf) / delta
    reach = torch.cdist(gadget.points, x, p=p) / delta
    alike = labelling[:, None] == y
    own = reach.where(alike, torch.full_like(reach, math.inf)).amin(1)
    others = reach.where(~alike, torch.full_like(reach, math.inf)).amin(1)
    apart, near = float(between.min()), float(own.max())
    complaint = ""
    if apart < 2 - _ROUNDING:
        complaint = f"two centres are only {apart:.4f} delta apart"
    elif near > allowed:
        complaint = f"point {int(own.argmax())} is {near:.4f} delta from every centre of its label"
    elif bool((others <= gadget.rho - _ROUNDING).any()):
        complaint = f"point {int(others.argmin())} is in balls of both labels"
    elif float(between[y[:, None] != y].min() if len(set(y.tolist())) > 1 else math.inf) <= (
        2 * gadget.rho + _ROUNDING
    ):
        complaint = "two closed balls of different labels touch, and no function is right on both"
    return apart, near, complaint


def _signs(labelling: Tensor) -> str:
    return "".join("+" if v > 0 else "-" for v in labelling.tolist())
