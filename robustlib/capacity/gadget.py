"""The hypercube gadget of Theorem E: points that every robust interpolation class shatters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_choice, check_floats, check_integer, check_real, check_shape
from ..numerics import generator

NORMS = {"l2": 2.0, "linf": math.inf}
EXHAUSTIVE = 2**12  # the most labellings that are all tried
_FAR = 40.0  # offset between groups, in units of delta
_ROUNDING = 1e-12  # in units of delta

Classifier = Callable[[Tensor], Tensor]
# A class of classifiers: what it fits to centres (n, d), labels (n,) and a radius.
ModelClass = Callable[[Tensor, Tensor, float], Classifier]


def points_per_pair(d: int, rho: float, norm: str) -> int:
    """How many points one pair of centres shatters in R^d, for balls of radius rho * delta.

    Euclidean: min(d, floor(1/(1 - rho^2))). Maximum norm: 1 + floor(log2(d + 1)) for rho > 1/2.
    """
    if norm == "linf":
        return 1 + (d + 1).bit_length() - 1 if rho > 0.5 else 1
    if rho >= math.sqrt(1 - 1 / d):  # also where 1 - rho^2 is 0
        return d
    return min(d, math.floor(1 / (1 - rho**2) * (1 + 1e-12)))


@dataclass(frozen=True, eq=False, repr=False)
class Gadget:
    """Points (N, d) and, for every labelling of them, n labelled centres that force it.

    The centres are at least 2 ``delta`` apart in ``norm``, and every point is within
    ``rho`` * ``delta`` of a centre with its label: a function that is right on these balls labels
    the points as asked. ``per_pair`` points belong to each pair of centres. Whether all this is
    true of the numbers at hand is what :func:`check_shattering` looks at.
    """

    n: int
    d: int
    delta: float
    rho: float
    norm: str
    per_pair: int
    points: Tensor

    @property
    def radius(self) -> float:
        """Radius rho * delta of the balls."""
        return self.rho * self.delta

    def data(self, labelling: Tensor) -> tuple[Tensor, Tensor]:
        """Centres (n, d) and labels (n,) that force ``labelling`` (N,), entries -1 and +1."""
        check_floats("labelling", labelling)
        check_shape("labelling", labelling, self.points.shape[:1])
        if bool((labelling.abs() != 1).any()):
            raise ValueError(f"labelling must have entries -1 and +1 only, got {labelling}")
        pair = _hypercube_pair if self.norm == "l2" else _threshold_pair
        centres, labels = [], []
        for group in range(self.n // 2):
            at = slice(group * self.per_pair, (group + 1) * self.per_pair)
            for y, centre in zip((1.0, -1.0), pair(self, labelling[at]), strict=True):
                centre[0] += _FAR * self.delta * group
                centres.append(centre)
                labels.append(y)
        if self.n % 2:
            centres.append(self.points[-1].clone())
            labels.append(float(labelling[-1]))
        return torch.stack(centres), torch.tensor(labels, dtype=torch.float64)

    def __repr__(self) -> str:
        count = len(self.points)
        return (
            f"Gadget of {count} point{'s' * (count != 1)} in R^{self.d}, for {self.n} centres 2 x "
            f"{self.delta:g} apart with {self.norm} balls of radius {self.radius:g}."
        )


def hypercube_gadget(
    n: int,
    d: int,
    *,
    delta: float = 1.0,
    rho: float = 1.0,
    norm: str = "l2",
    per_pair: int | None = None,
) -> Gadget:
    """The gadget for ``n`` centres in R^d that are 2 ``delta`` apart, balls of ``rho`` * ``delta``.

    Euclidean (Theorem E): for each pair of centres the points s e_1, ..., s e_k, and as centres
    plus and minus a scaled vertex of the hypercube. Maximum norm: the points' coordinates are the
    possible splits of the points in two, and the centres differ in one coordinate. An odd ``n``
    adds one centre that is its own point.

    ``per_pair`` asks for another number k of points per pair than :func:`points_per_pair`, up to d:
    where k is too large the gadget is built all the same and fails its check.
    Raises ``ValueError`` for n < 1, d < 1, delta <= 0, and rho outside (0, 1], where balls of
    different labels may overlap.
    """
    check_integer("n", n, minimum=1)
    check_integer("d", d, minimum=1)
    check_real("delta", delta, above=0)
    check_rho(rho)
    check_choice("norm", norm, NORMS)
    k = points_per_pair(d, rho, norm)
    if per_pair is not None:
        most = d if norm == "l2" else 1 + (d + 1).bit_length() - 1
        k = check_integer("per_pair", per_pair, minimum=1)
        if k > most:
            raise ValueError(f"per_pair must be at most {most} in R^{d} for {norm}, got {k}")
    gadget = Gadget(n, d, float(delta), float(rho), norm, k, torch.empty(0, d))
    group = _hypercube_points(gadget) if norm == "l2" else _threshold_points(gadget)
    shifts = torch.zeros((n + 1) // 2, 1, d, dtype=torch.float64)
    shifts[:, 0, 0] = _FAR * delta * torch.arange(len(shifts))
    points = (shifts[: n // 2] + group).flatten(0, 1)
    if n % 2:
        points = torch.cat([points, shifts[-1]])
    return Gadget(n, d, float(delta), float(rho), norm, k, points)


def check_rho(rho: float) -> float:
    """``rho`` where it is in (0, 1]."""
    if check_real("rho", rho, above=0) > 1:
        raise ValueError(
            f"rho must be at most 1, got {rho:g}: larger balls round points of different labels "
            "may overlap, and then no function is right on both"
        )
    return float(rho)


def _half_separation(gadget: Gadget) -> float:
    """t: half the distance between the centres of a pair, in the middle of what is allowed."""
    delta, k = gadget.delta, gadget.per_pair
    most = 2 * delta if k == 1 else min(2 * delta, gadget.radius / math.sqrt(1 - 1 / k))
    return max(delta, (delta + most) / 2)


def _hypercube_points(gadget: Gadget) -> Tensor:
    k = gadget.per_pair
    return _half_separation(gadget) / math.sqrt(k) * torch.eye(k, gadget.d, dtype=torch.float64)


def _hypercube_pair(gadget: Gadget, v: Tensor) -> tuple[Tensor, Tensor]:
    vertex = torch.zeros(gadget.d, dtype=torch.float64)
    vertex[: len(v)] = _half_separation(gadget) / math.sqrt(len(v)) * v.double()
    return vertex, -vertex


def _splits(k: int) -> Tensor:
    """All splits of k points in two non-empty parts: (2^(k-1) - 1, k), first column +1."""
    rest = itertools.islice(itertools.product((1.0, -1.0), repeat=k - 1), 1, None)
    return torch.tensor([(1.0, *signs) for signs in rest], dtype=torch.float64).reshape(-1, k)


def _threshold_points(gadget: Gadget) -> Tensor:
    splits = _splits(gadget.per_pair)
    points = torch.zeros(gadget.per_pair, gadget.d, dtype=torch.float64)
    points[:, : len(splits)] = gadget.radius * splits.T
    return points


def _threshold_pair(gadget: Gadget, v: Tensor) -> tuple[Tensor, Tensor]:
    one, other = torch.zeros(2, gadget.d, dtype=torch.float64)
    if bool((v == v[0]).all()):
        other[0] = 10 * gadget.delta  # far from all points: this label is not needed here
    else:
        split = int((_splits(len(v)) == v.double() * v[0]).all(1).nonzero())
        one[split] = gadget.delta * max(1.0, (1 + 2 * gadget.rho) / 2)
        other = -one
    return (one, other) if v[0] > 0 else (other, one)


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
    check_integer("random", random, minimum=1)
    check_integer("seed", seed, minimum=0)
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
