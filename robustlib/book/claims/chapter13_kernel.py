"""The statement of chapter 13 on the output scale, and the kernels that training leaves behind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...attacks import FGSM, PGD, NoAttack
from ...kernels import kernel_regression
from ...losses import Hinge, PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, digits
from ...sets import SphereCap
from ...training.trajectory import Trajectory
from .place import empirical_ntk
from .registry import Control, Evidence, claim
from .sharp import RIPPLE, STEEPEST, at_one_spot, divided
from .tools import F64, train
from .widths import circle

# The task: zeros against ones, caps of radius 0.3, kernel ridge regression on clean examples.
CAP, RIDGE, STEP = SphereCap(0.3), 0.01, 5.0
SIZES = {"smoke": (2, 40, 128, 150), "laptop": (5, 60, 256, 150), "gpu": (10, 120, 4096, 600)}
RICH = {"smoke": 0.1, "laptop": 0.1, "gpu": 0.025}  # scale times sqrt(m) is about 1.5


class Scaled(nn.Module):
    """``scale`` times a net: the smaller, the further the weights have to go."""

    def __init__(self, net: TwoLayerNet, scale: float) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points x (n, d)."""
        outputs: Tensor = self.scale * self.net(x)
        return outputs


class TangentRidge:
    """Kernel ridge regression on clean examples with the tangent kernel of ``net`` as it is now.

    The kernel is divided by the mean of its diagonal, so that one ridge suits all.
    """

    def __init__(self, net: TwoLayerNet, sample: Sample) -> None:
        gram = empirical_ntk(net, sample.x)
        unit = float(gram.diagonal().mean())
        c = kernel_regression(gram / unit, sample.y, ridge=RIDGE).coefficients / unit
        with torch.no_grad():
            x = net.lift(sample.x)
            slopes = net.activation.derivative(x @ net.weight.T)
            self.step = (slopes * c[:, None]).T @ x / net.width
            self.net, self.weight = net, net.weight.detach().clone()

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points x (n, d): sum_j c_j K(x, x_j), with the weights' signs gone."""
        x = self.net.lift(x)
        return (self.net.activation.derivative(x @ self.weight.T) * (x @ self.step.T)).sum(1)


def run(sample: Sample, width: int, scale: float, steps: int, attacked: bool, seed: int) -> Scaled:
    """Training of a GELU net at output scale ``scale``, step size 5/scale^2."""
    final = _trajectory(sample, width, scale, steps, attacked, seed).final
    assert isinstance(final, Scaled)
    return final


def _trajectory(
    sample: Sample,
    width: int,
    scale: float,
    steps: int,
    attacked: bool,
    seed: int,
    record: tuple[str, ...] = (),
) -> Trajectory:
    net = TwoLayerNet(sample.d, width, activation="gelu", seed=seed).to(F64)
    return train(
        Scaled(net, scale),
        sample,
        perturbation=CAP,
        attack=FGSM() if attacked else NoAttack(),
        step_size=STEP / scale**2,
        steps=steps,
        record=record,
    )


def accuracy(model: nn.Module | TangentRidge, sample: Sample) -> float:
    """The share of ``sample`` that ten steps of PGD do not turn over."""
    loss = PseudoHuber()
    points = PGD(steps=10)(model, sample.x, sample.y, perturbation=CAP, loss=loss)
    with torch.no_grad():
        return float((model(points) * sample.y > 0).double().mean())


def task(seed: int, n: int) -> tuple[Sample, Sample]:
    """``n`` zeros and ones to train on, and 100 others."""
    few, rest = digits(classes=(0, 1)).split(n, seed=seed)
    return few, rest.split(100, seed=seed)[0]


def kernel_accuracy(
    seed: int, n: int, width: int, scale: float, steps: int, attacked: bool
) -> float:
    """Robust accuracy, on new examples, of plain regression with the kernel after training."""
    few, fresh = task(seed, n)
    return accuracy(TangentRidge(run(few, width, scale, steps, attacked, seed).net, few), fresh)


def kernel_path(
    seed: int, n: int, width: int, scale: float, moments: Sequence[int], attacked: bool
) -> list[float]:
    """The same at several ``moments`` of one run, which ends at the last of them."""
    few, fresh = task(seed, n)
    run = _trajectory(few, width, scale, moments[-1], attacked, seed, ("weights",))
    assert run.weights is not None
    (weights,) = run.weights.values()
    net, found = TwoLayerNet(few.d, width, activation="gelu", seed=seed).to(F64), []
    for t in moments:
        net.weight.data = weights[t].clone()
        found.append(accuracy(TangentRidge(net, few), fresh))
    return found


@claim(
    "output-scale",
    statement="prop-output-scale",
    title="What the output scale decides",
    chapter="13-later",
)
def output_scale(size: str) -> Evidence:
    """The two bounds near equality, and what the kernels at either end of the scale are worth."""
    seeds, n, width, steps = SIZES[size]
    rich = RICH[size]
    drift, moved = _one_push(rich)
    rows = [
        [
            kernel_accuracy(seed, n, width, rich, 0, True),
            kernel_accuracy(seed, n, width, rich, steps, True),
            kernel_accuracy(seed, n, width, rich, steps, False),
            kernel_accuracy(seed, n, width, 1.0, steps, True),
        ]
        for seed in range(seeds)
    ]
    gain = min(late - first for first, late, _, _ in rows)
    over = min(late - plain for _, late, plain, _ in rows)
    lazy = max(late - first for first, _, _, late in rows)
    near = min(drift, moved)
    return Evidence(
        predicted="drift and change of the kernel below their bounds; far from the lazy scale the "
        "kernel of an adversarial run is the more robust one",
        measured=f"up to {drift:.2f} and {moved:.2f} of the bounds; robust accuracy of plain "
        f"regression up by at least 0.2: {gain >= 0.2}, above that of a clean run's kernel by at "
        f"least 0.1: {over >= 0.1}",
        value=gain,
        holds=max(drift, moved) <= 1 + 1e-9 and gain >= 0.2 and over >= 0.1,
        ratio=near,
        control=divided(
            Control(
                broken="the lazy scale, 1",
                measured=f"accuracy up by 0.2: {lazy >= 0.2}",
                holds=lazy >= 0.2,
                short="the lazy scale",
            ),
            near,
        ),
        ran=f"digits 0 and 1, n = {n}, GELU, m = {width}, scale {rich:g}, {steps} steps, rho = "
        f"{CAP.rho:g}, PGD, {seeds} seeds",
    )


def _one_push(scale: float) -> tuple[float, float]:
    """Shares of the two bounds that one step takes when all units pull the same way.

    The kernel's is taken where slope times curvature is largest; the hinge loss has slope 1.
    """
    shares = []
    for spot in (0.0, STEEPEST):
        net = at_one_spot(TwoLayerNet(2, 64, symmetric=False).to(F64), spot, RIPPLE)
        net.readout.fill_(1.0)
        before = empirical_ntk(net, circle(1))
        outputs = scale * net(circle(1))
        value = Hinge()(outputs, torch.ones_like(outputs))
        (slope,) = torch.autograd.grad(value.mean(), net.weight)
        net.weight.data -= 1e-3 / scale**2 * slope
        shares.append(
            (net.drift()["weight"], float((empirical_ntk(net, circle(1)) - before).abs()))
        )
    length = 1e-3 * Hinge().lipschitz
    drift_bound = length * RIPPLE.slope / scale
    kernel_bound = 2 * RIPPLE.slope * RIPPLE.curvature * drift_bound / math.sqrt(64)
    return shares[0][0] / drift_bound, shares[1][1] / kernel_bound
