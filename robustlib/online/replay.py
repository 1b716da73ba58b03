"""The steps of a recorded run once more: their weights, attacked points and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..attacks.oracle import outputs
from ..losses import Loss
from ..models import copy_of
from ..samples import Labelled
from ..training.trajectory import Trajectory


@dataclass(frozen=True)
class Step:
    """The net at W_t with its trained weights by name, the attacked points, loss and gradients."""

    t: int
    net: nn.Module
    trained: dict[str, Tensor]
    attacked: Tensor
    value: float
    gradients: tuple[Tensor, ...]


def replay(trajectory: Trajectory, sample: Labelled, loss: Loss) -> Iterator[Step]:
    """Every step of a run that recorded both weights and attacked points, in turn.

    ``sample`` and ``loss`` are those of the run. After the last step the net is at W_T. Raises
    ``ValueError`` where the record is missing.
    """
    if trajectory.attacked is None or trajectory.weights is None:
        raise ValueError("trajectory must come from a run with record=('attacked', 'weights')")
    net = copy_of(trajectory.initial)
    trained: dict[str, Tensor] = {
        k: w for k, w in net.named_parameters() if k in trajectory.weights
    }
    for t, attacked in enumerate(trajectory.attacked):
        value = loss(outputs(net, attacked), sample.y).mean()
        gradients = torch.autograd.grad(
            value, list(trained.values()), allow_unused=True, materialize_grads=True
        )
        yield Step(t, net, trained, attacked, float(value.detach()), gradients)
        with torch.no_grad():
            for name, w in trained.items():
                w.copy_(trajectory.weights[name][t + 1])
