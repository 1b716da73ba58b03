"""Assignment 2: right answers, and typical wrong ones with the hint for each."""

import math

import torch
from torch.nn.functional import normalize


def cosine(x, z):
    return (normalize(x, dim=1) @ normalize(z, dim=1).T).clamp(-1, 1)


def kernel_by_loops(x, z):
    rows = []
    for p in x.tolist():
        row = []
        for q in z.tolist():
            inner = math.fsum(s * t for s, t in zip(p, q, strict=True))
            ratio = inner / math.hypot(*p) / math.hypot(*q)
            row.append(
                inner * (0.5 - math.acos(max(-1, min(1, ratio))) / (2 * math.pi))
            )
        rows.append(row)
    return rows


def unclamped(x, z):
    ratio = (x @ z.T) / x.norm(dim=1)[:, None] / z.norm(dim=1)
    return x @ z.T * (math.pi - torch.arccos(ratio)) / (2 * math.pi)


def share(x, z):
    return (math.pi - torch.arccos(cosine(x, z))) / (2 * math.pi)


def on(W, x):
    return (x @ W.T > 0).double()


def kernel_by_jacobians(W, x, z):
    def gradient(point):
        w = W.clone().requires_grad_()
        (found,) = torch.autograd.grad(torch.relu(w @ point).sum() / len(W) ** 0.5, w)
        return found.reshape(-1)

    return (
        torch.stack([gradient(p) for p in x]) @ torch.stack([gradient(q) for q in z]).T
    )


def net(W, a, x):
    return torch.relu(x @ W.T) @ a / len(a) ** 0.5


def tangent_by_gradients(W0, a, W, x):
    w, values = W0.clone().requires_grad_(), []
    for point in x:
        value = net(w, a, point[None])[0]
        (slope,) = torch.autograd.grad(value, w)
        values.append(float(value.detach()) + float((slope * (W - W0)).sum()))
    return values


def linear_part(W0, a, W, x):
    return (on(W0, x) * (x @ (W - W0).T)) @ a / len(a) ** 0.5


RIGHT = {
    "2.2": [kernel_by_loops],
    "2.3": [kernel_by_jacobians],
    "2.4": [tangent_by_gradients],
}
WRONG = {
    "2.2": [
        (lambda x, z: share(x, z), "has the factor <x, z>"),
        (lambda x, z: 2 * (x @ z.T) * share(x, z), "half of the units are on"),
        (lambda x, z: x @ z.T * (0.5 - share(x, z)), "equal points agree the most"),
        (lambda x, z: cosine(x, z) * share(x, z), "only the angle is without a unit"),
        (unclamped, "clamp it"),
        (lambda x, z: x @ z.T * (1 + cosine(x, z)) / 4, "share (pi - theta)"),
    ],
    "2.3": [
        (lambda W, x, z: on(W, x) @ on(W, z).T / len(W), "inner products of points"),
        (
            lambda W, x, z: (
                (x @ z.T) * (torch.relu(x @ W.T) @ torch.relu(z @ W.T).T) / len(W)
            ),
            "derivative is 1 or 0",
        ),
        (lambda W, x, z: (x @ z.T) * (on(W, x) @ on(W, z).T), "a mean over the units"),
        (lambda W, x, z: x @ z.T, "on at x and at z"),
    ],
    "2.4": [
        (linear_part, "the value of f itself"),
        (lambda W0, a, W, x: net(W, a, x), "never"),
        (
            lambda W0, a, W, x: (
                net(W0, a, x) + (on(W, x) * (x @ (W - W0).T)) @ a / len(a) ** 0.5
            ),
            "decided at W0",
        ),
        (lambda W0, a, W, x: (on(W0, x) * (x @ W.T)) @ a, "factor m^(-1/2)"),
        (
            lambda W0, a, W, x: (on(W0, x) * (x @ W.T)).sum(1) / len(a) ** 0.5,
            "mind the signs a_r",
        ),
    ],
}
