"""No output outside its bounds: many models of all kinds, on all sets, in both dtypes."""

from __future__ import annotations

import math

import pytest
import torch
from drawn import drawn_inputs, drawn_model
from tables import SETS, boxed

from robustlib.attacks import PGD
from robustlib.losses import Logistic
from robustlib.numerics import budget, generator
from robustlib.sets import L2Ball, SphereCap
from robustlib.verification import output_bounds
from robustlib.verification.affine import Layers
from robustlib.verification.layers import read_layers
from robustlib.verification.margin import MarginBound

KINDS = [*SETS, *boxed(-1.0, 1.0), SphereCap(1.9), L2Ball(0.0), L2Ball(3.0)]
COUNT = {"smoke": 100, "laptop": 150, "gpu": 10_000}


def worst(seed: int) -> tuple[float, float]:
    """How far the outputs of one model stay inside its bounds, and inside those of a margin,
    in units of the bounds' width: negative where they do not."""
    net, shape = drawn_model(seed)
    dtype = (torch.float64, torch.float32)[seed % 2]
    net, x = net.to(dtype), drawn_inputs(shape, 3, seed).to(dtype)
    x = x.clamp(-1, 1)
    sets = KINDS[seed % len(KINDS)]
    if seed % 3 == 0:
        sets = sets.with_radius(0.03 * sets.radius)
    bounds = [output_bounds(net, x, perturbation=sets, method=m) for m in ("interval", "linear")]
    g, model = generator(seed), lambda z: net(z).reshape(-1)
    points = [x, *(sets.random(x, g) for _ in range(3))]
    points += [
        sets.argmax_linear(torch.randn(x.shape, generator=g, dtype=torch.float64).to(dtype), x)
        for _ in range(3)
    ]
    for sign in (1.0, -1.0):
        y = sign * torch.ones(3, dtype=dtype)
        points.append(PGD(steps=4)(model, x, y, perturbation=sets, loss=Logistic()))
    with torch.no_grad():
        f = torch.stack([model(z) for z in points]).double()
    low, high = f.amin(0), f.amax(0)
    inside = min(
        float(((torch.minimum(low - b.lower, b.upper - high)) / (b.upper - b.lower)).min())
        for b in bounds
    )
    layers = read_layers(net, x)
    assert isinstance(layers, Layers)
    rows, one = torch.arange(3), torch.ones(3, dtype=dtype)
    margin = MarginBound(layers, sets.hull(x))
    left = min(
        float((low - margin.least(rows, one)).min()),
        float((-high - margin.least(rows, -one)).min()),
    )
    return inside, left


def test_no_output_is_outside_its_bounds() -> None:
    found = [worst(seed) for seed in range(COUNT[budget()])]
    outside = [seed for seed, (inside, left) in enumerate(found) if min(inside, left) < 0]
    assert not outside
    # the bounds were put to a test: some attacks come close
    assert min(inside for inside, _ in found) < 1e-3


@pytest.mark.parametrize("what", ["rounding", "set"])
def test_bounds_that_leave_something_out_are_found_out(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "rounding":
        monkeypatch.setattr(
            "robustlib.verification.output.rounding_error",
            lambda layers, hull: torch.zeros(len(hull), dtype=torch.float64),
        )
        monkeypatch.setattr("robustlib.verification.relaxation.gamma", lambda *operations: 0.0)
    else:
        hull = L2Ball._hull
        monkeypatch.setattr(
            "robustlib.sets.l2.L2Ball._hull",
            lambda self, x, dtype: hull(self.with_radius(0.98 * self.radius), x, dtype),
        )
    assert min(worst(seed)[0] for seed in range(40)) < 0


def test_models_of_every_kind_are_drawn() -> None:
    seen: dict[str, int] = {}
    for seed in range(250):
        for module in drawn_model(seed)[0].modules():
            seen[type(module).__name__] = seen.get(type(module).__name__, 0) + 1
    wanted = "TwoLayerNet DeepNet Linear Conv1d Conv2d BatchNorm1d BatchNorm2d AvgPool1d AvgPool2d"
    wanted += " AdaptiveAvgPool1d AdaptiveAvgPool2d Flatten Unflatten Dropout ReLU GELU SiLU Tanh"
    assert min(seen.get(kind, 0) for kind in wanted.split()) >= 5
    assert math.prod(drawn_model(0)[1]) > 0
