"""The statements of chapter 04 on what the kernel predicts: robust Grams, and the flow."""

from __future__ import annotations

import math

import torch

from ...activations import ACTIVATIONS, Activation
from ...attacks import FGSM, PGD
from ...kernels import kernel_flow
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, digits, hexagon
from ...sets import SphereCap
from .chapter04_training import STEPS, run, shifted
from .place import empirical_ntk, ntk, robust_gram
from .registry import Control, Evidence, claim
from .sharp import divided, pushed
from .tools import F64
from .widths import SEEDS, circle, lift, rms, slope


@claim(
    "robust-gram",
    statement="cor-robust-gram",
    title="The robust Gram stays invertible",
    chapter="04-movement",
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
    near = _one_row()
    middles = sample.x.reshape(-1, 2, 2).mean(1).repeat_interleave(2, dim=0)
    middles = middles / middles.norm(dim=1, keepdim=True)
    lost = robust_gram(net, middles).least
    return Evidence(
        predicted="smallest eigenvalue > 0, and at least the limit's minus n (eps_0 + drift)",
        measured=f"at least {least:.4f} along training, and the inequality "
        f"{'always' if slack >= 0 else 'not always'}; one point uses {near:.2f} of it",
        value=least,
        holds=least > 1e-6 and slack >= 0 and near <= 1,
        ratio=near,
        control=divided(
            Control(
                broken="caps of radius 0.52, which meet: an attack may move two points to one",
                measured="0 to 1e-12" if abs(lost) <= 1e-12 else f"{lost:.1e}",
                holds=lost > 1e-6,
                short="sets that meet",
            ),
            near,
        ),
        ran=f"hexagon, GELU, m = {width}, rho = 0.2 (PGD) and 0.4 (FGSM), {SEEDS[size]} seeds",
    )


def _one_row() -> float:
    """Share of n (eps_0 + drift) that is used for n = 1, by slopes that all change alike.

    s' = 1 + c/100 with c = z/3, clipped at +-1: every unit pushed down lowers Theta at full rate.
    """
    bent = Activation(
        "bent",
        lambda z: z + torch.where(z.abs() < 3, z * z / 6, z.abs() - 1.5) / 100,
        lambda z: 1 + (z / 3).clamp(-1, 1) / 100,
        slope=1.01,
        curvature=0.01 / 3,
    )
    net, x, radius = TwoLayerNet(2, 2048).to(F64), circle(90), 10.0
    net.activation = bent
    z = torch.linspace(-8, 8, 16_001, dtype=F64)
    mass = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi) * 1e-3
    limit = float(mass @ bent.derivative(z) ** 2)  # K(x, x), the same at every unit x
    start = float((empirical_ntk(net, x).diagonal() - limit).abs().max())
    step = -radius / math.sqrt(net.width) * lift(x[:1]).expand(net.width, -1)
    here = robust_gram(shifted(net, step), x[:1]).least
    drift = 2 * bent.slope * bent.curvature * radius / math.sqrt(net.width)
    return (limit - here) / (start + drift)


@claim(
    "kernel-flow",
    statement="thm-kernel-flow",
    title="A wide network follows its kernel",
    chapter="04-movement",
)
def kernel_flow_of_nets(size: str) -> Evidence:
    """Outputs of trained nets against the exact flow of the infinite-width kernel."""
    sample, widths = digits(n=10), (128, 512, 2048) if size == "smoke" else (128, 512, 2048, 8192)
    seen = [_gaps(sample, widths, seed, symmetric=True) for seed in range(2 * SEEDS[size])]
    offset = [_gaps(sample, widths, seed, symmetric=False)[0] for seed in range(SEEDS[size])]
    rows, share = [gaps for gaps, _ in seen], max(share for _, share in seen)
    fitted, broken = slope(widths, rows), slope(widths, offset)
    near = _one_output()
    return Evidence(
        predicted="below sqrt(cond K) L eta t, and slope of the distance in log m: -1/2",
        measured=f"at most {share:.2f} of the bound, one point {near:.2f}; slope {fitted.mean:.2f}",
        value=fitted.mean,
        interval=fitted.interval,
        holds=max(share, near) <= 1 and fitted.contains(-0.5) and fitted.interval[1] < -0.25,
        ratio=near,
        control=divided(
            Control(
                broken="no symmetric initialisation, so that f does not start at 0",
                measured=f"slope {broken.mean:.2f}",
                holds=broken.at_most(-0.5),
                short="no twins",
            ),
            near,
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


def _one_output() -> float:
    """Share of the bound at a single point with a loss of slope -1: there g_t = K t, cond K = 1."""
    net, x, time = TwoLayerNet(2, 8, activation="gelu").to(F64), circle(1), 0.05
    limit, steps = float(ntk(x, activation="gelu")), 50
    run = pushed(net, step_size=time / steps, steps=steps)
    eta = max(abs(float(empirical_ntk(at, x)) - limit) for at in (net, run.final))
    return abs(float(run.final(x).detach()) - limit * time) / (eta * time)
