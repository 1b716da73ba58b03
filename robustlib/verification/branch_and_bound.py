"""The attack that does not stop before it knows: exact search for small nets."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..attacks.base import Attack
from ..attacks.exact import GridMax
from ..attacks.gradient import PGD
from ..attacks.oracle import Oracle, outputs
from ..checks import check_integer, check_real, keep
from ..losses import Loss
from ..models import Model, undisturbed
from ..sets import Perturbation
from ..sets.hull import Hull
from .affine import Layers, simplified
from .layers import read_layers
from .pieces import DIMENSIONS, PieceTree
from .relaxation import rounding_error
from .search import Search, Tree, exact_search
from .sequential import UnknownLayers
from .units import UnitTree

TOLERANCE = 5e-7  # in the loss


@dataclass(frozen=True, kw_only=True)
class BranchAndBound(Attack):
    """The largest loss over the set, by search with certified bounds; started from PGD.

    Two ways, each with a proof. Over the *hidden units* of a ReLU net with one hidden layer
    (``TwoLayerNet``, ``DeepNet`` of depth 1, ``nn.Sequential``): ends for every ball, with or
    without box, in any dimension; for caps it bounds the cap's convex hull, so that it may end
    with a gap, which it reports, where the maximum over the hull is inside the sphere. Over
    *pieces of the input*, for up to 3 coordinates: ends for every net that ``output_bounds``
    knows, with any activation and depth, and every set. ``Finite`` sets are enumerated.

    ``nodes`` limits the parts looked at for one example, ``seconds`` the time, for n examples n
    times as much in all. A limit by time makes the answer depend on the machine: there is none by
    default. A search that ends by itself has found the maximum to ``tolerance`` in the loss, plus
    the rounding of the model's dtype. ``TypeError`` for other models, or more coordinates.
    """

    nodes: int = 20_000
    seconds: float | None = None
    tolerance: float = TOLERANCE
    seed: int = 0

    def __post_init__(self) -> None:
        keep(self, nodes=check_integer("nodes", self.nodes, minimum=0))
        keep(self, seed=check_integer("seed", self.seed, minimum=0))
        keep(self, tolerance=check_real("tolerance", self.tolerance, above=0))
        if self.seconds is not None:
            keep(self, seconds=check_real("seconds", self.seconds, minimum=0))

    def search(
        self, model: Model, x: Tensor, y: Tensor, *, perturbation: Perturbation, loss: Loss
    ) -> Search:
        """The points found together with upper bounds of the loss that hold on the whole set.

        Arguments and what they raise are those of a call.
        """
        start = PGD(restarts=4, seed=self.seed)(model, x, y, perturbation=perturbation, loss=loss)
        with undisturbed(model, x.device):
            return self._certified(model, x, y, start, perturbation, loss)

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        sets = oracle.perturbation
        if sets.finite:
            GridMax().move(oracle, generator)
            return
        points = PGD(restarts=4).move(oracle, generator).clone()
        rows = oracle.undecided(torch.ones(len(points), dtype=torch.bool, device=points.device))
        if bool(rows.any()):
            x, y, start = oracle.x[rows], oracle.y[rows], points[rows]
            found = self._certified(oracle.model, x, y, start, sets, oracle.loss)
            points[rows] = found.points
            oracle.values(points)

    def _certified(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        start: Tensor,
        perturbation: Perturbation,
        loss: Loss,
    ) -> Search:
        if perturbation.finite:
            return _enumerated(model, x, y, perturbation, loss)
        found, seen = None, type(model).__name__
        try:
            layers = read_layers(model, x)
        except UnknownLayers as unknown:
            seen = str(unknown)
        else:
            found = search_known(
                layers,
                perturbation.hull(x),
                model,
                x,
                y,
                start,
                perturbation=perturbation,
                loss=loss,
                tolerance=self.tolerance,
                nodes=self.nodes,
                seconds=math.inf if self.seconds is None else self.seconds,
            )
        if found is None:
            raise TypeError(
                "BranchAndBound needs a ReLU net with one hidden layer, or up to "
                f"{DIMENSIONS} coordinates and known layers; got {seen} with "
                f"{x.shape[1:].numel()} coordinates; use PGD"
            )
        return found


def search_known(
    layers: Layers,
    sets: Hull,
    model: Model,
    x: Tensor,
    y: Tensor,
    start: Tensor,
    *,
    perturbation: Perturbation,
    loss: Loss,
    tolerance: float = TOLERANCE,
    nodes: int,
    seconds: float,
) -> Search | None:
    """Exact search for a model and sets whose ``layers`` and ``sets`` are known; None where neither
    of the two ways ends. Options are those of ``BranchAndBound``."""
    tree = tree_for(layers, sets)
    if tree is None:
        return None
    return exact_search(
        tree,
        functools.partial(_outputs, model),
        x,
        y,
        start,
        perturbation=perturbation,
        loss=loss,
        allowance=rounding_error(layers, sets),
        tolerance=tolerance,
        nodes=nodes,
        seconds=seconds,
    )


def tree_for(layers: Layers, sets: Hull) -> Tree | None:
    """Hidden units or pieces, whichever ends; None where neither does."""
    d, simple = sets.centre.shape[1], simplified(layers)
    first = simple.layers[0].activation
    units = len(simple.layers) == 2 and first is not None and first.rectifier
    # a hull may be more than its set; in space there are fewer pieces than patterns of units
    if d < DIMENSIONS or (d == DIMENSIONS and not (units and sets.exact)):
        return PieceTree(simple, sets)
    hidden, out = simple.layers[0], simple.layers[-1]
    return UnitTree(hidden, out, sets) if units else None


def _outputs(model: Model, z: Tensor) -> Tensor:
    with torch.no_grad():
        f: Tensor = outputs(model, z)
        return f


def _enumerated(model: Model, x: Tensor, y: Tensor, sets: Perturbation, loss: Loss) -> Search:
    """All candidates of every example."""
    grid = sets.grid(x, 1)
    n, k = grid.shape[:2]
    f = _outputs(model, grid.flatten(0, 1)).reshape(n, k)
    values = loss(f.flatten(), y.repeat_interleave(k)).reshape(n, k).double()
    worst, place = values.max(1)
    return Search(
        grid[torch.arange(n, device=x.device), place],
        worst,
        worst,
        torch.stack([f.amin(1), f.amax(1)], 1).double(),
        torch.ones_like(place, dtype=torch.bool),
        torch.full_like(place, k),
    )
