"""The statements of chapter 04 on training: how little the kernel moves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...activations import ACTIVATIONS
from ...attacks import FGSM, Attack
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, digits
from ...sets import Perturbation, SphereCap
from ...training.trajectory import Trajectory
from .place import adversarial_training, empirical_ntk
from .registry import Control, Evidence, claim
from .sharp import RIPPLE, SHARPEST, STEEPEST, divided, pushed, ripple_net
from .tools import F64
from .widths import SEEDS, circle, lift, rms, slope

WIDTHS = {
    "smoke": (512, 1024, 2048),
    "laptop": (512, 1024, 2048, 4096),
    "gpu": (512, 1024, 2048, 4096, 8192, 16384, 32768),
}
STEPS = 20


def run(
    net: TwoLayerNet,
    sample: Sample,
    sets: Perturbation,
    attack: Attack,
    steps: int = STEPS,
    record: tuple[str, ...] = ("attacked",),
) -> Trajectory:
    """Adversarial training with unit steps and the pseudo-Huber loss."""
    return adversarial_training(
        net,
        sample,
        perturbation=sets,
        attack=attack,
        loss=PseudoHuber(),
        step_size=1.0,
        steps=steps,
        record=record,
        progress=False,
    )


def kernel_moved(before: nn.Module, after: nn.Module, x: Tensor) -> Tensor:
    """Theta after minus Theta before, at all pairs of ``x``."""
    return empirical_ntk(after, x) - empirical_ntk(before, x)


def shifted(net: TwoLayerNet, step: Tensor) -> TwoLayerNet:
    """``net`` with its weights moved by ``step``."""
    moved = TwoLayerNet(net.d, net.width).to(F64)
    with torch.no_grad():
        moved.weight.copy_(net.initial + step)
    moved.activation = net.activation
    return moved


@claim(
    "kernel-drift",
    statement="prop-kernel-drift",
    title="How far the kernel can move inside a ball",
    chapter="04-movement",
)
def kernel_drift(size: str) -> Evidence:
    """The bound in the unit ball, and a direction that attains its exponent; ReLU breaks both."""
    x, widths = circle(12), WIDTHS[size]
    lifted = lift(x)[0]
    excess, rows, flipped = 0.0, [], []
    net = ripple_net(STEEPEST)
    near = float(kernel_moved(net, shifted(net, 1e-3 * lifted.expand(net.width, -1)), x[:1]))
    near = abs(near) / (2 * RIPPLE.slope * RIPPLE.curvature * 1e-3)
    for seed in range(SEEDS[size]):
        row, relu = [], []
        for width in widths:
            net = TwoLayerNet(2, width, activation="softplus", seed=len(widths) * seed).to(F64)
            aligned = lifted.expand(width, -1) / math.sqrt(width)  # norm 1
            noise = torch.randn(width, 3, dtype=F64, generator=torch.Generator().manual_seed(seed))
            for step in (aligned, noise / noise.norm()):
                moved = kernel_moved(net, shifted(net, step), x).abs()
                bound = 2 * net.activation.slope * net.activation.curvature / math.sqrt(width)
                excess = max(excess, float(moved.max()) / bound)
                if step is aligned:
                    row.append(float(moved[0, 0]))
            net = TwoLayerNet(2, width, seed=len(widths) * seed).to(F64)
            relu.append(float(kernel_moved(net, shifted(net, _flips(net, lifted)), x).abs().max()))
        rows.append(row)
        flipped.append(relu)
    fitted, broken = slope(widths, rows), slope(widths, flipped)
    return Evidence(
        predicted="below 2 C_0 C_1 R / sqrt(m); slope -1/2 in the worst direction",
        measured=f"slope {fitted.mean:.3f}, at most {excess:.2f} of the bound, ripple {near:.2f}",
        value=fitted.mean,
        interval=fitted.interval,
        holds=max(excess, near) <= 1 and fitted.contains(-0.5),
        ratio=near,
        control=divided(
            Control(
                broken="ReLU, not smooth: a step of the same norm that switches units off",
                measured=f"slope {broken.mean:.2f}",
                holds=broken.at_most(-0.5),
                short="ReLU for smooth",
            ),
            near,
        ),
        ran=f"softplus, R = 1, m = {widths[0]} to {widths[-1]}, {SEEDS[size]} seeds",
    )


def _flips(net: TwoLayerNet, x: Tensor) -> Tensor:
    """The step of norm at most 1 that switches off as many units at ``x`` as it can."""
    z = net.initial @ x
    near = torch.where(z > 0, z, math.inf).sort()
    cost = (near.values**2).cumsum(0) * 1.0001
    chosen = near.indices[cost <= 1]
    step = torch.zeros_like(net.initial)
    step[chosen] = -1.00001 * z[chosen, None] * x
    return step


@claim(
    "kernel-drift-symmetric",
    statement="thm-drift-symmetric",
    title="Symmetric smooth networks: the kernel moves like 1/m",
    chapter="04-movement",
)
def kernel_drift_symmetric(size: str) -> Evidence:
    """Drift over 20 steps of training against FGSM, at the data and at the attacked points."""
    sample, widths = digits(n=12), WIDTHS[size]
    rows: dict[str, list[list[float]]] = {"softplus": [], "gelu": [], "relu": []}
    excess, smooth = 0.0, [name for name in rows if ACTIVATIONS[name].smooth]
    for activation, found in rows.items():
        for seed in range(SEEDS[size]):
            row = []
            for k, width in enumerate(widths):
                own = len(widths) * seed + k
                net = TwoLayerNet(64, width, activation=activation, seed=own).to(F64)
                trained = run(net, sample, SphereCap(0.15), FGSM())
                assert trained.attacked is not None
                x = torch.cat([sample.x, trained.attacked[-1]])
                moved = kernel_moved(net, trained.final, x)
                row.append(rms(moved))
                if activation in smooth:
                    bound = symmetric_bound(activation, STEPS * PseudoHuber().lipschitz, width)
                    excess = max(excess, float(moved.abs().max()) / bound)
            found.append(row)
    fitted = {name: slope(widths, found) for name, found in rows.items()}
    net = ripple_net(SHARPEST)
    moved = kernel_moved(net, pushed(net, step_size=0.01, steps=5).final, circle(1))
    near = float(moved.abs()) / ((0.05 * RIPPLE.slope) ** 2 / net.width)
    near /= 2 * RIPPLE.curvature**2 + RIPPLE.slope * RIPPLE.third
    return Evidence(
        predicted="below the bound, and slope -1 or steeper",
        measured=f"slope {fitted['softplus'].mean:.3f} (softplus), "
        f"{fitted['gelu'].mean:.2f} (GELU), "
        f"{'all' if excess <= 1 else 'not all'} below the bound, ripple {near:.2f} of it",
        value=fitted["softplus"].mean,
        interval=fitted["softplus"].interval,
        holds=max(excess, near) <= 1 and all(fitted[name].at_most(-1) for name in smooth),
        ratio=near,
        control=divided(
            Control(
                broken="ReLU, which is not smooth",
                measured=f"slope {fitted['relu'].mean:.2f}",
                holds=fitted["relu"].at_most(-1),
                short="ReLU for smooth",
            ),
            near,
        ),
        ran=f"12 digits, {STEPS} steps, FGSM, m = {widths[0]} to {widths[-1]}, {SEEDS[size]} seeds",
    )


def symmetric_bound(activation: str, length: float, width: int) -> float:
    """The right side of thm-drift-symmetric for training of length Lambda = ``length``."""
    s = ACTIVATIONS[activation]
    return (length * s.slope) ** 2 * (2 * s.curvature**2 + s.slope * s.third) / width
