"""Adversarial training of wide two-layer nets, beside its products and a loop of autograd."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

from robustlib import PGD, LinfBall, PseudoHuber, Sample, TwoLayerNet, adversarial_training, sphere
from robustlib.commands.contest import Contest, timed

EPS, INNER, STEPS = 0.1, 10, 2
LOSS = PseudoHuber()


def contests(budget: str) -> Iterator[Contest]:
    """Steps of training against PGD in the sup norm; float32, ReLU, no lift, no symmetry."""
    small = budget == "smoke"
    for width in (64,) if small else (4096, 16_384):
        n = 20 if small else 1000
        sample = sphere(n, 64, seed=0).to(dtype=torch.float32)
        net = TwoLayerNet(64, width, symmetric=False, bias=False, seed=0).float()
        how = {"perturbation": LinfBall(EPS), "attack": PGD(steps=INNER), "loss": LOSS}
        how |= {"step_size": 1.0, "steps": STEPS, "progress": False}
        yield Contest(
            f"{STEPS} steps of training, PGD of {INNER}, m = {width}, n = {n}",
            "their own products",
            timed(partial(adversarial_training, net, sample, **how)),
            timed(products(n, 64, width)),
            {"loop of autograd": timed(partial(loop, net, sample))},
            runs=2 if small or width > 4096 else 3,
        )


def products(n: int, d: int, m: int) -> Callable[[], None]:
    """A pass forward and one back for each step of PGD, then one forward and one to the weights."""
    x, w, z = torch.randn(n, d), torch.randn(m, d), torch.randn(n, m)
    at, slope = torch.empty(n, d), torch.empty(m, d)

    def run() -> None:
        for _ in range(STEPS):
            for _ in range(INNER):
                torch.mm(x, w.T, out=z)
                torch.mm(z, w, out=at)
            torch.mm(x, w.T, out=z)
            torch.mm(z.T, x, out=slope)

    return run


def loop(net: TwoLayerNet, sample: Sample) -> None:
    """The same by autograd with respect to the input alone; nothing checked, nothing kept."""
    x, y = sample.x, sample.y
    w = net.weight.detach().clone()
    a = net.readout / math.sqrt(net.width)
    for _ in range(STEPS):
        z = x
        for _ in range(INNER):
            z = z.clone().requires_grad_()
            (g,) = torch.autograd.grad(LOSS((z @ w.T).relu() @ a, y).sum(), z)
            z = x + (z.detach() + EPS / 4 * g.sign() - x).clamp(-EPS, EPS)
        w.requires_grad_()
        (slope,) = torch.autograd.grad(LOSS((z @ w.T).relu() @ a, y).mean(), w)
        w = (w - slope).detach()
