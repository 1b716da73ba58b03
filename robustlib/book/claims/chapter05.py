"""The statements of chapter 05 on the start: norms, the deep kernel, its degrees, its spread."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from ...kernels import kernel_spectrum
from .depths import deep_net, gradient_norms, sweep
from .place import empirical_ntk, ntk
from .registry import Control, Evidence, claim, interval_over_seeds
from .sharp import divided
from .widths import SEEDS, agrees, circle, lift, rms, slope

NETS = {"smoke": 500, "laptop": 2000, "gpu": 20_000}
KERNEL_WIDTHS = {
    "smoke": (64, 192, 576),
    "laptop": (64, 128, 256, 512),
    "gpu": (64, 256, 1024, 4096),
}


@claim(
    "deep-start",
    statement="prop-deep-start",
    title="What is exactly true of a deep ReLU net at the start",
    chapter="05-depth",
)
def deep_start(size: str) -> Evidence:
    """Means of |x_H|^2/m, of its square, of f^2 and of every layer's gradient, in narrow nets."""
    width, depth, x = 16, 4, circle(1)
    runs = [deep_net(width, depth, seed) for seed in range(NETS[size])]
    passes = [sweep(net, net.start(), x) for net in runs]
    last = [float(p.hidden[-1].square().sum()) / width for p in passes]
    outputs = [float((p.hidden[-1] * p.into[-1]).sum()) ** 2 for p in passes]
    layers = torch.stack([gradient_norms(p)[:, 0] ** 2 for p in passes]).T.tolist()
    second = 4 * (1 + 2 / width) * (1 + 5 / width) ** depth
    tests = [(last, 2.0), ([q * q for q in last], second), (outputs, 2.0)]
    tests += [(values, 1.0) for values in layers]
    right = all(agrees(values, expected, among=len(tests)) for values, expected in tests)
    small = [
        float(sweep(net, [w / math.sqrt(2) for w in net.start()], x).hidden[-1].square().mean())
        for net in runs[:200]
    ]
    mean = sum(last) / len(last)
    return Evidence(
        predicted=f"means 2 of |x_H|^2/m, {second:.2f} of its square, 2 of f^2, 1 of each gradient",
        measured=f"{mean:.2f}, {sum(q * q for q in last) / len(last):.2f}, "
        f"{sum(outputs) / len(last):.2f}, "
        + " ".join(f"{sum(values) / len(last):.2f}" for values in layers),
        value=mean,
        holds=right,
        control=Control(
            broken="entries N(0, 1) in the trained layers",
            measured=f"mean {sum(small) / len(small):.2f} of |x_H|^2/m",
            holds=agrees(small, 2.0, among=1),
            short="small start",
        ),
        ran=f"{NETS[size]} nets of width {width} with {depth} trained layers",
        interval=interval_over_seeds(last),
    )


def kappa(t: Tensor) -> tuple[Tensor, Tensor]:
    """The arc-cosine kernels of degree 0 and 1."""
    angle = torch.acos(t.clamp(-1, 1))
    return (math.pi - angle) / math.pi, ((math.pi - angle) * t + angle.sin()) / math.pi


def recursion(t: Tensor, depth: int) -> Tensor:
    """The right side of thm-deep-kernel, from the last layer to the first."""
    rho = [t]
    for _ in range(depth):
        rho.append(kappa(rho[-1])[1])
    total, product = torch.zeros_like(t), torch.ones_like(t)
    for h in range(depth, 0, -1):
        product = product * kappa(rho[h - 1])[0]
        total = total + rho[h - 1] * product
    return total


@claim(
    "deep-kernel",
    statement="thm-deep-kernel",
    title="The kernel of a wide deep net",
    chapter="05-depth",
)
def deep_kernel(size: str) -> Evidence:
    """Finite nets against the recursion: slope -1/2; the library's kernel is the same recursion."""
    x, widths, depth = circle(8), KERNEL_WIDTHS[size], 2
    t = lift(x) @ lift(x).T
    limit = recursion(t, depth)
    off = max(
        float((ntk(x, trained="hidden", depth=h) - recursion(t, h)).abs().max())
        for h in range(1, 6)
    )
    rows, other = [], []
    for group in range(2 * SEEDS[size]):  # single nets scatter: a row is the mean of four
        found = [_distances(m, depth, 4 * group, x, limit) for m in widths]
        rows.append([pair[0] for pair in found])
        other.append([pair[1] for pair in found])
    fitted, broken = slope(widths, rows), slope(widths, other)
    return Evidence(
        predicted="slope -1/2 of the distance to the recursion; ntk is the recursion to 1e-7",
        measured=f"slope {fitted}" + ("" if off <= 1e-7 else f"; ntk is off by {off:.1e}"),
        value=fitted.mean,
        holds=fitted.contains(-0.5) and fitted.interval[1] < -0.25 and off <= 1e-7,
        control=Control(
            broken="entries N(0, 1) in the trained layers",
            measured=f"slope {broken}",
            holds=broken.contains(-0.5),
            short="small start",
        ),
        ran=f"{depth} trained layers, m = {widths[0]} to {widths[-1]}, {4 * len(rows)} nets each",
        interval=fitted.interval,
    )


def _distances(width: int, depth: int, seed: int, x: Tensor, limit: Tensor) -> tuple[float, float]:
    """Distance of four nets' kernels from ``limit``, with their own weights and with smaller."""
    own, smaller = [], []
    for k in range(seed, seed + 4):
        net = deep_net(width, depth, k).requires_grad_()
        own.append(empirical_ntk(net, x) - limit)
        for w in net.layers:
            w.data.mul_(math.sqrt(0.5))
        smaller.append(empirical_ntk(net, x) - limit)
    return rms(torch.stack(own)), rms(torch.stack(smaller))


@claim(
    "depth-degrees",
    statement="prop-depth-degrees",
    title="Two layers leave no degree out",
    chapter="05-depth",
)
def depth_degrees(size: str) -> Evidence:
    """No eigenvalue is 0 from two layers on, without the lift; with one, odd ones from 3 are."""
    dimensions = (2, 3, 5) if size == "smoke" else (2, 3, 5, 10)
    least, complete = math.inf, True
    for d in dimensions:
        for depth in (2, 3, 5):
            found = kernel_spectrum(d, bias=False, trained="hidden", depth=depth, max_degree=8)
            least = min(least, float((found.eigenvalues / found.rounding).min()))
            complete = complete and found.universal and not found.missing_degrees
    shallow = partial(kernel_spectrum, bias=False, trained="hidden", depth=1, max_degree=8)
    single = [shallow(d) for d in dimensions]
    odd = all(found.missing_degrees == (3, 5, 7) for found in single)
    return Evidence(
        predicted="depth 2 and more: every eigenvalue > 0; depth 1: 0 at 3, 5, 7 and nowhere else",
        measured=f"{'none' if complete and least > 10 else 'some'} missing to degree 8; depth 1: "
        + ("3, 5, 7 in every dimension" if odd else "other degrees missing"),
        value=least,
        holds=complete and least > 10 and odd,
        control=Control(
            broken="depth 1 held to the claim on depth 2",
            measured="missing degrees " + ", ".join(map(str, single[0].missing_degrees)),
            holds=not single[0].missing_degrees,
            short="depth one",
        ),
        ran=f"d = {', '.join(map(str, dimensions))}; depth 1, 2, 3, 5; no lift",
    )


@claim(
    "delocalised",
    statement="lem-delocalised",
    title="Back-propagated vectors are spread over all units",
    chapter="05-depth",
)
def delocalised(size: str) -> Evidence:
    """The part along x_h is f/|x_h|; the rest is Gaussian, which its moments and maximum show."""
    width, depth, x, sure = 512, 3, circle(1), 0.01
    exact, share, squares, fourths, through = 0.0, 0.0, [], [], []
    seeds = 8 * SEEDS[size]
    for seed in range(seeds):
        net = deep_net(width, depth, seed)
        run = sweep(net, net.start(), x)
        output = float(net(x))
        for h in range(1, depth):
            g, u, size_h = run.into[h - 1][0], run.hidden[h][0], float(run.hidden[h].norm())
            exact = max(exact, abs(float(g @ u) - output))
            scale = float(run.back[h].norm()) * math.sqrt(2 / width)
            rest = (g - u * output / size_h**2) / scale
            bound = scale * math.sqrt(2 * math.log(2 * seeds * depth * width / sure))
            bound += abs(output) / size_h
            share = max(share, float(g.abs().max()) / bound)
            squares.append(float(rest.square().sum()) / (width - 1))
            fourths.append(_kurtosis(rest))
            through.append(_kurtosis(run.back[h - 1][0]))
    gaussian = agrees(squares, 1.0, among=2) and agrees(fourths, 3.0, among=2)
    mean = sum(fourths) / len(fourths)
    return Evidence(
        predicted="<x_h, b_h> = f; the rest Gaussian: kurtosis 3; maximum below its bound",
        measured=f"kurtosis {mean:.2f}, maximum at most {share:.2f} of the bound",
        value=mean,
        holds=exact <= 1e-10 and share <= 1 and gaussian,
        ratio=share,
        control=divided(
            Control(
                broken="what the units let through, e_h instead of b_h",
                measured=f"kurtosis {sum(through) / len(through):.2f}",
                holds=agrees(through, 3.0, among=2),
                short="masked vectors",
            ),
            share,
        ),
        ran=f"{seeds} nets of width {width} with {depth} trained layers",
        interval=interval_over_seeds(fourths),
    )


def _kurtosis(values: Tensor) -> float:
    return float(values.pow(4).mean() / values.square().mean() ** 2)
