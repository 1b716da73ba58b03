"""Assignment 4: right answers, and typical wrong ones with the hint for each."""

import numpy as np
import robustlib as rl
import torch
from scipy.optimize import minimize


def odd_by_units(W, a):
    return [float((a * W[:, j]).sum()) / len(a) ** 0.5 for j in range(W.shape[1])]


def by_least_squares(K, y):
    alpha = np.linalg.lstsq(K.numpy(), y.numpy(), rcond=1e-12)[0]
    return alpha, float(alpha @ y.numpy()) ** 0.5


def solved(K, y, ridge=0.0):
    return torch.linalg.solve(K + ridge * torch.eye(len(K)), y)


def on_arcs(x, rho, k):
    half = 2 * np.arcsin(rho / 2)
    middle = np.arctan2(x[:, 1].numpy(), x[:, 0].numpy())
    angles = (middle[:, None] + half * np.linspace(-1, 1, k)).reshape(-1)
    return torch.tensor(np.stack([np.cos(angles), np.sin(angles)], 1))


def dual(x, y, margin):
    Q = (y[:, None] * rl.ntk(x) * y).numpy() + 1e-9 * np.eye(len(y))
    found = minimize(
        lambda b: (b @ Q @ b / 2 - margin * b.sum(), Q @ b - margin),
        np.ones(len(y)),
        jac=True,
        bounds=[(0, None)] * len(y),
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 50000, "ftol": 1e-15, "gtol": 1e-9},
    )
    return x, y * torch.tensor(found.x)


def fit(x, y, rho, margin, k=11):
    return dual(on_arcs(x, rho, k), y.repeat_interleave(k), margin)


def equations(x, y, rho, margin, k=5):
    centres, labels = on_arcs(x, rho, k), y.repeat_interleave(k)
    return centres, 2 * margin * torch.linalg.solve(
        rl.ntk(centres) + 1e-10 * torch.eye(len(labels)), labels
    )


def flipped(x, y, rho, margin):
    centres, alpha = fit(x, y, rho, margin)
    return centres, -alpha


RIGHT = {"4.2": [odd_by_units], "4.3": [by_least_squares], "4.4": [fit]}
WRONG = {
    "4.2": [
        (lambda W, a: 2 * a @ W / len(a) ** 0.5, "is t, once"),
        (lambda W, a: a @ W / len(a) ** 0.5 / 2, "not half of it"),
        (lambda W, a: W.sum(0) / len(a) ** 0.5, "carries its sign"),
        (lambda W, a: a @ W, "factor m^(-1/2)"),
        (lambda W, a: a @ W.abs() / len(a) ** 0.5, "a sum over units"),
    ],
    "4.3": [
        (lambda K, y: (solved(K, y), solved(K, y) @ y), "is the square of the norm"),
        (lambda K, y: (solved(K, y), solved(K, y).norm()), "not the length of alpha"),
        (
            lambda K, y: (solved(K, y, 1e-2), (solved(K, y) @ y).sqrt()),
            "nothing is added",
        ),
        (lambda K, y: (y, (y @ K @ y).sqrt()), "solve K alpha = y"),
        (lambda K, y: (solved(K, y), (solved(K, y) @ y).sqrt()), "by least squares"),
    ],
    "4.4": [
        (lambda x, y, rho, margin: dual(x, y, margin), "all over the arcs"),
        (flipped, "the sign of the label"),
        (equations, "an inequality at each point"),
        (lambda x, y, rho, margin: (x, margin * y), "and its bias"),
    ],
}
