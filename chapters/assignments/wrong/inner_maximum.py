"""Assignment 1: right answers, and typical wrong ones with the hint for each."""

import math

import torch
from torch.nn.functional import normalize

ORDERS = {"l2": 2, "linf": 1, "l1": float("inf")}


def price(w, norm, orders=ORDERS):
    return torch.linalg.vector_norm(w, ord=orders[norm])


def margin_by_moving(w, x, y, eps, norm):
    if norm == "l2":
        move = normalize(w, dim=0)
    elif norm == "linf":
        move = torch.sign(w)
    else:
        move = torch.zeros_like(w)
        most = w.abs().argmax()
        move[most] = torch.sign(w[most])
    return [
        float(v * ((row - eps * v * move) @ w)) for row, v in zip(x, y, strict=True)
    ]


def own_norm(w, x, y, eps, norm):
    same = {"l2": 2, "linf": float("inf"), "l1": 1}
    return y * (x @ w) - eps * price(w, norm, same)


def always_sum(w, x, y, eps, norm):
    orders = ORDERS | {"l1": 1}
    return y * (x @ w) - eps * price(w, norm, orders)


def on_circle(x, z, angle):
    across = normalize(z - (z * x).sum(1, keepdim=True) * x, dim=1)
    return torch.cos(angle) * x + torch.sin(angle) * across


def cap_by_angles(z, x, rho):
    chord = (normalize(z, dim=1) - x).norm(dim=1, keepdim=True)
    return on_circle(x, z, 2 * torch.asin(chord.clamp(max=min(rho, 2.0)) / 2))


def to_rim(z, x, rho):
    return on_circle(x, z, torch.full_like(x[:, :1], 2 * math.asin(rho / 2)))


def cap_by_angle_rho(z, x, rho):
    unit = normalize(z, dim=1)
    near = (unit - x).norm(dim=1, keepdim=True) <= rho
    return torch.where(near, unit, on_circle(x, z, torch.full_like(x[:, :1], rho)))


def ball(z, x, rho):
    away = z - x
    return x + away * (rho / away.norm(dim=1, keepdim=True).clamp(min=rho))


def attack(
    W,
    a,
    x,
    y,
    eps,
    step,
    steps,
    *,
    sign=-1,
    box=True,
    keep=True,
    label=True,
    slope=None,
):
    slope = slope or torch.sign
    point = best = x

    def margin(z):
        return y * (torch.relu(z @ W.T) @ a)

    for _ in range(steps):
        gradient = ((point @ W.T > 0).double() * a) @ W
        gradient = y[:, None] * gradient if label else gradient
        point = point + sign * step * slope(gradient)
        point = x + (point - x).clamp(-eps, eps) if box else point
        best = torch.where((margin(point) < margin(best))[:, None], point, best)
    return best if keep else point


def attack_by_autograd(W, a, x, y, eps, step, steps):
    seen, values = [], []
    z = x.clone()
    for k in range(steps + 1):
        z = z.detach().requires_grad_()
        margin = y * (torch.relu(z @ W.T) @ a) / len(a) ** 0.5
        seen, values = [*seen, z.detach()], [*values, margin.detach()]
        if k < steps:
            (slope,) = torch.autograd.grad(margin.sum(), z)
            z = torch.maximum(torch.minimum(z - step * slope.sign(), x + eps), x - eps)
    pick = torch.stack(values).argmin(0)
    return torch.stack(seen)[pick, torch.arange(len(x))]


def one_step_only(W, a, x, y, eps, step, steps):
    return attack(W, a, x, y, eps, step, 1)


SPOT = {
    "W": [[1.0], [-1.0], [1.0]],
    "b": [2.0, 2.0, -0.5],
    "a": [0.25, 0.25, -4.0],
    "x": [0.0],
    "y": 1.0,
    "eps": 1.0,
    "z": [1.0],
}


def spot(**changed):
    return tuple((SPOT | changed).values())


RIGHT = {
    "1.2": [margin_by_moving],
    "1.3": [cap_by_angles],
    "1.4": [attack_by_autograd, attack],
    "1.5": [
        lambda: spot(y=-1, a=[-0.25, -0.25, 4]),
        lambda: (
            [[1, 1], [-1, -1], [1, 0]],
            [3, 3, -1],
            [1, 1, -9],
            [0, 0],
            1,
            2,
            [2, -2],
        ),
    ],
}
WRONG = {
    "1.2": [
        (own_norm, "each coordinate moves by itself"),
        (always_sum, "best spent in one coordinate"),
        (
            lambda w, x, y, eps, norm: y * (x @ w - eps * price(w, norm)),
            "the same sign for both",
        ),
        (
            lambda w, x, y, eps, norm: y * (x @ w) + eps * price(w, norm),
            "only lower the margin",
        ),
        (
            lambda w, x, y, eps, norm: (y * (x @ w) - eps * price(w, norm)).clamp(
                min=0
            ),
            "margin below zero",
        ),
        (lambda w, x, y, eps, norm: y * (x @ w), "what does the adversary do"),
        (
            lambda w, x, y, eps, norm: y * (x @ w) - eps * price(w, norm) ** 2,
            "times the length of w",
        ),
    ],
    "1.3": [
        (to_rim, "return it unchanged"),
        (ball, "the ball round x is not"),
        (lambda z, x, rho: normalize(z, dim=1), "half of it"),
        (cap_by_angle_rho, "a chord"),
        (lambda z, x, rho: normalize(ball(z, x, rho), dim=1), "ends short of the rim"),
    ],
    "1.4": [
        (lambda *q: attack(*q, sign=1), "goes against the gradient"),
        (lambda *q: attack(*q, box=False), "within eps of x"),
        (lambda *q: attack(*q, label=False), "carries the label"),
        (lambda *q: attack(*q, keep=False), "keep the best point seen"),
        (lambda *q: attack(*q, slope=lambda g: g), "coordinate by coordinate"),
        (one_step_only, "take all the steps"),
    ],
    "1.5": [
        (lambda: spot(a=[0.25, 0.2, -4.0]), "may cancel exactly"),
        (lambda: spot(z=[1.5]), "in the box of radius"),
        (lambda: spot(z=[0.5]), "sign of f must have changed"),
        (lambda: spot(b=[2.0, 2.0, 0.0]), "put the kinks beside x"),
        (lambda: spot(b=[-2.0, -2.0, -0.5]), "classified rightly"),
    ],
}
