"""The statement of chapter 12 on the first layer against the maximum norm."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from ...numerics import generator
from ...sets import LinfBall
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64


def distance(null: Tensor, j: int) -> float:
    """The distance of e_j from the span of the columns of ``null`` (d, k), in the maximum norm."""
    d, k = null.shape
    basis = null.numpy()
    rows = np.block([[-basis, -np.ones((d, 1))], [basis, -np.ones((d, 1))]])
    right = np.zeros(2 * d)
    right[j], right[d + j] = -1, 1
    cost = np.append(np.zeros(k), 1)
    free = [(None, None)] * (k + 1)
    found = linprog(cost, A_ub=rows, b_ub=right, bounds=free, method="highs")
    move = basis @ found.x[:-1]  # what the solver returns is measured, not believed
    move[j] -= 1
    return float(np.abs(move).max())


def null_space(rows: Tensor) -> Tensor:
    """An orthonormal basis (d, d - m) of what the rows (m, d) do not see."""
    basis: Tensor = torch.linalg.svd(rows).Vh[len(rows) :].T
    return basis


def blocks(d: int, size: int) -> Tensor:
    """Rows (d/size, d) that add up ``size`` coordinates each."""
    return torch.eye(d // size, dtype=F64).repeat_interleave(size, dim=1)


def worst_margin(rows: Tensor, ratio: float) -> float:
    """The least y f of f(x) = max(rows x) - 1/2 over the balls of radius ratio/2.

    The points are e_1, ..., e_d with label 1 and 0 with label -1; f rises in every coordinate.
    """
    d = rows.shape[1]
    ball, eye = LinfBall(ratio / 2), torch.eye(d, dtype=F64)
    low = ball.argmax_linear(-torch.ones_like(eye), eye)
    high = ball.argmax_linear(torch.ones(1, d, dtype=F64), torch.zeros(1, d, dtype=F64))
    return min(float(((low @ rows.T).amax(1) - 0.5).min()), float(0.5 - (high @ rows.T).amax()))


@claim(
    "first-layer-max",
    statement="prop-first-layer-max",
    title="What the first layer costs in the maximum norm",
    chapter="12-left-out",
)
def first_layer_max(size: str) -> Evidence:
    """Random rows below d, and the two nets that are right: d units, and d/2 below ratio 1/2."""
    rounds = {"smoke": 3, "laptop": 8, "gpu": 100}[size]
    reach, spectral = 0.0, 0.0
    for d in (4, 8, 12):
        for m in (1, d // 4, d // 2, d - 1):
            for seed in range(rounds):
                rows = torch.randn(m, d, dtype=F64, generator=generator(1000 * d + 10 * m + seed))
                null = null_space(rows)
                least = min(distance(null, j) for j in range(d))
                reach = max(reach, least)
                spectral = max(spectral, d / (1 + (1 / least - 1) ** 2) / m)
    pairs = [min(distance(null_space(blocks(d, 2)), j) for j in range(d)) for d in (4, 8, 12)]
    all_units = min(worst_margin(torch.eye(d, dtype=F64), 0.999) for d in (4, 64))
    halves = min(worst_margin(blocks(d, 2), 0.499) for d in (4, 64))
    hurt = max(worst_margin(blocks(d, 2), 0.501) for d in (4, 64))
    near = min(pairs) / 0.5
    return Evidence(
        predicted="fewer than d rows leave some e_j within 1/2 of what is not seen; d/2 are enough "
        "below ratio 1/2, and m >= d/(1 + (1/rho - 1)^2) always",
        measured=f"{'no' if reach <= 0.5 + 1e-9 else 'SOME'} rows beyond 1/2, sums of pairs at "
        f"{min(pairs):.3f}; nets {'right' if min(all_units, halves) > 0 else 'WRONG'} at 0.999 "
        "and 0.499",
        value=reach,
        holds=reach <= 0.5 + 1e-9
        and near >= 1 - 1e-9
        and spectral <= 1 + 1e-9
        and min(all_units, halves) > 0,
        ratio=near,
        control=divided(
            Control(
                broken="sums of pairs at ratio 0.501",
                measured="wrong" if hurt < 0 else "right",
                holds=hurt > 0,
                short="larger boxes",
            ),
            near,
        ),
        ran=f"d = 4, 8, 12, {rounds} random choices of up to d - 1 rows by linear programs; nets "
        "for d = 4 and 64",
    )
