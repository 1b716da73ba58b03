"""Which examples are right on their whole set: a proof that costs about two passes over the net.

``relaxation.py`` bounds every unit of every layer by functions that are linear in the input: in
wide nets that costs more than an attack. Here the inputs of a layer are only known to lie in a
Euclidean ball round their value at x, so that a unit moves by at most the norm of its row of
weights times the radius. One linear function below y f is then followed back to the input.

The balls hold what the model itself computes at any tensor that ``contains`` accepts, in its own
dtype: a layer adds gamma times the norms of its rows and of its inputs (by Cauchy and Schwarz,
where ``relaxation.py`` adds up absolute products), and so does the way back. Our own roundings, in
float64, are allowed for in the same terms.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..activations import Activation
from ..numerics import row_norm
from ..sets.hull import Hull, gamma
from .affine import Layers
from .relaxation import LinearRelaxation, lines


class MarginBound:
    """Lower bounds of y f(x') over sets of one kind, for f as the model computes it.

    Sets count as whole balls, without their box and off the sphere. Of use where they are small.
    """

    def __init__(self, layers: Layers, sets: Hull) -> None:
        self._layers, self._sets = layers, sets
        first, *rest = layers.layers
        # the norms of rows, where the first layer's are dual to that of the sets
        self._rows = [sets.dual_norm(first.weight), *(row_norm(layer.weight) for layer in rest)]
        self._sizes = [row_norm(layer.size) for layer in layers.layers]
        # the norms of maps, for layers that another hidden layer follows
        self._whole = [_norm(layer.weight) for layer in layers.layers[:-2]]

    def least(self, index: Tensor, y: Tensor) -> Tensor:
        """At most y f(x'), for the sets of the rows ``index`` (k,) and their labels: (k,) float64.

        A few dozen rows at a time go fastest.
        """
        sets = self._sets.rows(index)
        near, noise = self._forward(sets)
        return self._back(sets, y.double(), near, noise)

    def _forward(self, sets: Hull) -> tuple[list[LinearRelaxation], list[Tensor]]:
        """Lines of the units of each hidden layer, and what rounding adds to units of each layer.

        The latter, (n,), is to be multiplied by the norms of the rows of ``size``.
        """
        unit, own = self._layers.unit, gamma(self._layers.roundings)
        room, centre = sets.radius + sets.slack, sets.centre
        far = room * sets.stretch
        near: list[LinearRelaxation] = []
        noise: list[Tensor] = []
        for k, layer in enumerate(self._layers.layers):
            inputs = 1 + row_norm(centre) + far  # at least the norm of (inputs, 1)
            noise.append(inputs * (gamma(layer.roundings, unit) + own))
            if k + 1 == len(self._layers.layers):
                return near, noise
            middle = centre @ layer.weight.T + layer.bias
            sizes = self._sizes[k]
            moved = torch.outer(far if k else room, self._rows[k]) + torch.outer(noise[k], sizes)
            found = tangents(layer.activation, middle, moved)
            slip = (32 * unit + own) * found.height
            ball = row_norm(found.slope * moved + slip)
            if k < len(self._whole):
                steps = self._whole[k] * far + noise[k] * torch.linalg.vector_norm(sizes)
                ball = torch.minimum(ball, found.slope.amax(1) * steps + row_norm(slip))
            far = ball * (1 + own)
            centre = middle if layer.activation is None else layer.activation.function(middle)
            near.append(found)
        raise AssertionError

    def _back(
        self, sets: Hull, y: Tensor, near: list[LinearRelaxation], noise: list[Tensor]
    ) -> Tensor:
        """The least value on the sets of a linear function below y f."""
        unit, own = self._layers.unit, gamma(self._layers.roundings)
        weight, least = y[:, None], torch.zeros_like(y)
        for k, layer in reversed(list(enumerate(self._layers.layers))):
            least += weight @ layer.bias - noise[k] * (weight.abs() @ self._sizes[k])
            weight = weight @ layer.weight
            if k:
                found = near[k - 1]
                up, down = weight.clamp(min=0), weight.clamp(max=0)
                least += (up * found.below[1] + down * found.above[1]).sum(1)
                least -= (32 * unit + own) * (weight.abs() * found.height).sum(1)
                weight = up * found.below[0] + down * found.above[0]
        # what rounds here is less than noise[0] took off
        room = sets.radius + sets.slack
        return least + (weight * sets.centre).sum(1) - room * sets.dual_norm(weight)


def _norm(weight: Tensor) -> float:
    """At least the largest singular value: more is added than rounding may have taken off."""
    gram = weight.T @ weight if len(weight) > weight.shape[1] else weight @ weight.T
    room = gamma(64 * sum(weight.shape)) * float(gram.trace())
    return math.sqrt(float(torch.linalg.eigvalsh(gram)[-1]) + room)


def tangents(activation: Activation | None, middle: Tensor, moved: Tensor) -> LinearRelaxation:
    """Lines above and below s where |z - ``middle``| <= ``moved``, both (n, k): tangents at middle.

    For smooth s they are s(middle) + s'(middle) (z - middle), off by at most curvature moved^2 / 2
    or the slopes' sum times moved; others have the lines of ``relaxation.py``.
    """
    if activation is None or math.isinf(activation.curvature):
        return lines(activation, middle - moved, middle + moved)
    slope, s = activation.derivative(middle), activation.function(middle)
    offset = s - slope * middle
    bend = activation.curvature * moved
    bulge = torch.minimum(bend / 2, slope.abs() + activation.slope) * moved
    steep = (slope.abs() + bend).clamp(max=activation.slope)
    height = s.abs() + offset.abs() + middle.abs() + (1 + steep) * moved + bulge
    return LinearRelaxation((slope, offset - bulge), (slope, offset + bulge), steep, height)
