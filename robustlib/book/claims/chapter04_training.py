"""The statements of chapter 04 on training: how little the kernel moves, and what it predicts."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...activations import ACTIVATIONS
from ...attacks import FGSM, PGD, Attack
from ...kernels import empirical_ntk, kernel_flow, ntk, robust_gram
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, digits, hexagon
from ...sets import Perturbation, SphereCap
from ...training import adversarial_training
from ...training.trajectory import Trajectory
from .registry import Control, Evidence, claim
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
    moved = TwoLayerNet(net.d, net.width, activation=net.activation.name).to(F64)
    with torch.no_grad():
        moved.weight.copy_(net.initial + step)
    return moved


@claim(
    "kernel-drift",
    statement="prop-kernel-drift",
    title="How far the kernel can move inside a ball",
    chapter="04-kernel",
)
def kernel_drift(size: str) -> Evidence:
    """The bound in the unit ball, and a direction that attains its exponent; ReLU breaks both."""
    x, widths = circle(12), WIDTHS[size]
    lifted = lift(x)[0]
    excess, rows, flipped = 0.0, [], []
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
        measured=f"slope {fitted.mean:.3f}, at most {excess:.2f} of the bound",
        value=fitted.mean,
        interval=fitted.interval,
        holds=excess <= 1 and fitted.contains(-0.5),
        control=Control(
            broken="ReLU, not smooth: a step of the same norm that switches units off",
            measured=f"slope {broken.mean:.2f}",
            holds=broken.at_most(-0.5),
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
    chapter="04-kernel",
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
    return Evidence(
        predicted="below the bound, and slope -1 or steeper",
        measured=f"slope {fitted['softplus'].mean:.3f} (softplus), "
        f"{fitted['gelu'].mean:.2f} (GELU), "
        f"{'all' if excess <= 1 else 'not all'} below the bound",
        value=fitted["softplus"].mean,
        interval=fitted["softplus"].interval,
        holds=excess <= 1 and all(fitted[name].at_most(-1) for name in smooth),
        control=Control(
            broken="ReLU, which is not smooth",
            measured=f"slope {fitted['relu'].mean:.2f}",
            holds=fitted["relu"].at_most(-1),
        ),
        ran=f"12 digits, {STEPS} steps, FGSM, m = {widths[0]} to {widths[-1]}, {SEEDS[size]} seeds",
    )


def symmetric_bound(activation: str, length: float, width: int) -> float:
    """The right side of thm-drift-symmetric for training of length Lambda = ``length``."""
    s = ACTIVATIONS[activation]
    return (length * s.slope) ** 2 * (2 * s.curvature**2 + s.slope * s.third) / width


@claim(
    "robust-gram",
    statement="cor-robust-gram",
    title="The robust Gram stays invertible",
    chapter="04-kernel",
)
def robust_gram_positive(size: str) -> Evidence:
    """Its smallest eigenvalue along training, against the kernel's at the same attacked points."""
    sample, width = hexagon(), 2048 if size == "smoke" else 8192
    dense, least, slack = circle(180), math.inf, math.inf
    constant = ACTIVATIONS["gelu"].slope * ACTIVATIONS["gelu"].curvature
    for seed in range(SEEDS[size]):
        net = TwoLayerNet(2, width, activation="gelu", seed=seed).to(F64)
        start = float((empirical_ntk(net, dense) - ntk(dense, activation="gelu")).abs().max())
        for rho, attack in ((0.2, PGD(steps=3)), (0.4, FGSM())):
            trained = run(net, sample, SphereCap(rho), attack, record=("attacked", "weights"))
            assert trained.attacked is not None
            assert trained.weights is not None
            for t in range(0, STEPS, 5):
                moved = shifted(net, trained.weights["weight"][t] - net.initial)
                points = trained.attacked[t]
                here = robust_gram(moved, points).least
                limit = float(torch.linalg.eigvalsh(ntk(points, activation="gelu"))[0])
                drift = 2 * constant * float(trained.drift[t]) / math.sqrt(width)
                least = min(least, here)
                slack = min(slack, here - limit + sample.n * (start + drift))
    middles = sample.x.reshape(-1, 2, 2).mean(1).repeat_interleave(2, dim=0)
    middles = middles / middles.norm(dim=1, keepdim=True)
    lost = robust_gram(net, middles).least
    return Evidence(
        predicted="smallest eigenvalue > 0, and at least the limit's minus n (eps_0 + drift)",
        measured=f"at least {least:.4f} along training, and the inequality "
        f"{'always' if slack >= 0 else 'not always'}",
        value=least,
        holds=least > 1e-6 and slack >= 0,
        control=Control(
            broken="caps of radius 0.52, which meet: an attack may move two points to one",
            measured="0 to 1e-12" if abs(lost) <= 1e-12 else f"{lost:.1e}",
            holds=lost > 1e-6,
        ),
        ran=f"hexagon, GELU, m = {width}, rho = 0.2 (PGD) and 0.4 (FGSM), {SEEDS[size]} seeds",
    )


@claim(
    "kernel-flow",
    statement="thm-kernel-flow",
    title="A wide network follows its kernel",
    chapter="04-kernel",
)
def kernel_flow_of_nets(size: str) -> Evidence:
    """Outputs of trained nets against the exact flow of the infinite-width kernel."""
    sample, widths = digits(n=10), (128, 512, 2048) if size == "smoke" else (128, 512, 2048, 8192)
    seen = [_gaps(sample, widths, seed, symmetric=True) for seed in range(2 * SEEDS[size])]
    offset = [_gaps(sample, widths, seed, symmetric=False)[0] for seed in range(SEEDS[size])]
    rows, share = [gaps for gaps, _ in seen], max(share for _, share in seen)
    fitted, broken = slope(widths, rows), slope(widths, offset)
    return Evidence(
        predicted="below sqrt(cond K) L eta t, and slope of the distance in log m: -1/2",
        measured=f"at most {share:.2f} of the bound, slope {fitted.mean:.2f}",
        value=fitted.mean,
        interval=fitted.interval,
        holds=share <= 1 and fitted.contains(-0.5) and fitted.interval[1] < -0.25,
        control=Control(
            broken="no symmetric initialisation, so that f does not start at 0",
            measured=f"slope {broken.mean:.2f}",
            holds=broken.at_most(-0.5),
        ),
        ran=f"10 digits, GELU, m = {widths[0]} to {widths[-1]}, time 20, {len(rows)} seeds",
    )


def _gaps(
    sample: Sample, widths: tuple[int, ...], seed: int, *, symmetric: bool
) -> tuple[list[float], float]:
    """Root mean square distance at time 20 of nets from the limit; its largest share of the bound.

    The bound's eta is taken from the Gram matrices that each net has along its training.
    """
    gaps, used, loss, time, steps = [], 0.0, PseudoHuber(), 20.0, 40
    gram = ntk(sample.x, activation="gelu")
    condition = float(torch.linalg.cond(gram))
    limit = kernel_flow(gram, sample.y, loss=loss, times=[time]).outputs[0]
    for k, width in enumerate(widths):
        own = len(widths) * seed + k
        net = TwoLayerNet(64, width, activation="gelu", symmetric=symmetric, seed=own).to(F64)
        eta = 0.0
        for _ in range(steps):  # the midpoint rule: gradient flow up to an error far below the gap
            change = empirical_ntk(net, sample.x) - gram
            eta = max(eta, float(torch.linalg.matrix_norm(change, 2)) / sample.n)
            weight = net.weight.detach().clone()
            for share in (0.5, 1.0):
                mean = loss(net(sample.x), sample.y).mean()
                (gradient,) = torch.autograd.grad(mean, [net.weight])
                with torch.no_grad():
                    net.weight.copy_(weight - share * time / steps * gradient)
        gaps.append(rms(net(sample.x).detach() - limit))
        used = max(used, gaps[-1] / (math.sqrt(condition) * loss.lipschitz * eta * time))
    return gaps, used
