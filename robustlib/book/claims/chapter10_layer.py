"""The statement of chapter 10 on the first layer: how many units it needs, whatever follows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...capacity import nearest_centre
from ...numerics import generator
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64

SIZES = ((8, 1), (8, 2), (8, 3), (8, 5), (8, 7), (16, 5), (32, 8))


def harmonic(d: int, m: int) -> Tensor:
    """Orthonormal rows (m, d) whose columns all have length sqrt(m/d), m < d: cosines and sines."""
    turn = 2 * math.pi * torch.arange(d, dtype=F64) / d
    rows = [torch.full((d,), math.sqrt(1 / d), dtype=F64)] if m % 2 else []
    for k in range(1, m // 2 + 1):
        rows += [math.sqrt(2 / d) * wave(k * turn) for wave in (torch.cos, torch.sin)]
    return torch.stack(rows)


def margin(rows: Tensor, ratio: float) -> float:
    """The least y f of the nearest-centre net behind ``rows``, where the balls are worst for it.

    Points e_j with label 1 and 0 with label -1: at e_j and at 0, half of ``ratio`` towards each
    other along the rows, which is all that the first layer sees of a move.
    """
    m, d = rows.shape
    seen = torch.cat([rows.T, torch.zeros(1, m, dtype=F64)])
    y = torch.ones(d + 1, dtype=F64)
    y[-1] = -1
    net = nearest_centre(seen, y, ratio / 2).net
    ahead = rows.T * (ratio / 2) / rows.norm(dim=0)[:, None]
    return min(float(net(rows.T - ahead).min()), float((-net(ahead)).min()))


def rival(d: int, m: int, steps: int) -> float:
    """The largest least length of a column, of orthonormal rows that improve themselves."""
    draw = generator(100 * d + m)
    best, most, scale = torch.randn(m, d, dtype=F64, generator=draw), 0.0, 1.0
    for _ in range(steps):
        moved = best + scale * torch.randn(m, d, dtype=F64, generator=draw)
        basis = torch.linalg.qr(moved.T).Q
        found = float(basis.norm(dim=1).min())
        if found > most:
            best, most = basis.T, found
        else:
            scale *= 0.98
    return most


@claim(
    "first-layer",
    statement="prop-first-layer",
    title="What the first layer costs",
    chapter="10-capacity",
)
def first_layer(size: str) -> Evidence:
    """What m units see of the unit vectors: rivals, harmonic frames, and nets behind them."""
    steps = 100 if size == "smoke" else 1000
    worst, above, below, near = 0.0, -math.inf, math.inf, 1.0
    for d, m in SIZES:
        limit, rows = math.sqrt(m / d), harmonic(d, m)
        worst = max(worst, float((rows @ rows.T - torch.eye(m, dtype=F64)).abs().max()))
        near = min(near, float(rows.norm(dim=0).min()) / limit)
        above = max(above, rival(d, m, steps) / limit)
        below = min(below, margin(rows, 0.999 * limit))
    hurt = max(margin(harmonic(d, m), 1.001 * math.sqrt(m / d)) for d, m in SIZES)
    return Evidence(
        predicted="no m rows with all lengths above sqrt(m/d); harmonic frames attain it, and a "
        "net behind them is right on the balls for rho below it",
        measured=f"{'no' if above <= 1 else 'SOME'} rival above sqrt(m/d), frames {near:.4f} of "
        f"it; nets {'right' if below > 0 else 'WRONG'} at 0.999 of it",
        value=above,
        holds=above <= 1 + 1e-9 and near >= 1 - 1e-9 and worst <= 1e-9 and below > 0,
        ratio=near,
        control=divided(
            Control(
                broken="balls of 1.001 of that ratio",
                measured="every net is wrong" if hurt < 0 else "some net is right",
                holds=hurt > 0,
                short="larger balls",
            ),
            near,
        ),
        ran=f"{len(SIZES)} frames, d = 8 to 32, m = 1 to 8; rivals of {steps} random steps",
    )
