"""The record of a training run: surrogate loss, drift, and the nets at start, best step and end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..models import copy_of
from . import checkpoint as checkpoints
from .comparison import Comparison
from .setting import Setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """A run of T steps, from the weights W_0 over W_1, ..., to W_T.

    ``setting`` holds the sample, the perturbation sets, the loss and the attack of the run; where
    the run was loaded from a file, it has descriptions of them and can tell others from them.
    ``surrogate_loss`` (T,): the mean loss at the points that the attack found at W_0 .. W_(T-1);
    the robust loss may be larger. ``drift`` (T+1,): the distance of all trained weights of
    W_0 .. W_T from the initialisation, the root of the sum of squares of ``drift_by_layer``, each
    (T+1,), both in float64. ``step_sizes`` (T,). These four are on the CPU.

    ``initial``, ``best`` and ``final`` are the nets at W_0, at ``best_step``, and at W_T (whose
    surrogate loss was never measured). ``attacked`` (T, n, ...) and ``weights`` (name to
    (T+1, ...)) are there where they were asked for, on the device of the sample and the net;
    ``comparison`` holds the run as given weights see it, where such were given.
    """

    setting: Setting
    surrogate_loss: Tensor
    drift: Tensor
    drift_by_layer: dict[str, Tensor]
    step_sizes: Tensor
    initial: nn.Module
    best: nn.Module
    final: nn.Module
    attacked: Tensor | None = None
    weights: dict[str, Tensor] | None = None
    comparison: Comparison | None = None

    @property
    def steps(self) -> int:
        """The number of steps T."""
        return len(self.surrogate_loss)

    @property
    def best_step(self) -> int:
        """The first step with the least surrogate loss; 0 where no step was taken."""
        return int(self.surrogate_loss.argmin()) if self.steps else 0

    def __repr__(self) -> str:
        if not self.steps:
            return "A run of no steps: the nets are as they were given."
        first, least = (float(self.surrogate_loss[t]) for t in (0, self.best_step))
        return (
            f"A run of {self.steps} step{'s' * (self.steps > 1)}: surrogate loss {first:.4g} at "
            f"step 0, least {least:.4g} at step {self.best_step}; the weights end "
            f"{float(self.drift[-1]):.4g} from their initialisation."
        )

    def plot(self) -> Figure:
        """A figure of the surrogate loss and of the drift of every layer, against the step."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(self.surrogate_loss.tolist())
        if self.steps:
            least = float(self.surrogate_loss[self.best_step])
            left.plot([self.best_step], [least], "o", label=f"best: step {self.best_step}")
            left.legend()
            if least > 0:
                left.set_yscale("log")
        left.set(xlabel="step", ylabel="surrogate loss")
        right.plot(self.drift.tolist(), "k", label="all layers")
        if len(self.drift_by_layer) > 1:
            for name, drift in self.drift_by_layer.items():
                right.plot(drift.tolist(), label=name)
            right.legend()
        right.set(xlabel="step", ylabel="distance from initialisation")
        return figure

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to one file, atomically; ``load`` gives it back bit by bit.

        Of sample, sets, loss and attack the file holds descriptions, not the things themselves. A
        file that is there already is replaced; a folder or a device raises ``ValueError``.
        """
        for name in ("initial", "best", "final"):
            checkpoints.check_storable(name, getattr(self, name).state_dict())
        checkpoints.write(path, {"trajectory": self.payload()})

    @classmethod
    def load(cls, path: str | os.PathLike[str], net: nn.Module) -> Trajectory:
        """The run saved at ``path``; ``net`` lends its class and shapes, and is not changed.

        A net is needed because the file holds numbers only: reading it runs no code from it.
        Raises ``ValueError`` for a file that is cut, altered or of another kind, and for a net
        with weights of other shapes or dtypes.
        """
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be a torch module, got {type(net).__name__}")
        device = next((w.device for w in net.parameters()), torch.device("cpu"))
        payload = checkpoints.read(path, device)
        if not isinstance(payload.get("trajectory"), dict):
            raise ValueError(f"path {path} does not hold a training run")
        return cls.from_payload(payload["trajectory"], net)

    def payload(self) -> dict[str, Any]:
        """All numbers of the run, in plain containers."""
        nets = ("initial", "best", "final")
        numbers = {name: value for name, value in vars(self).items() if name not in nets}
        numbers["setting"] = dict(self.setting.known)
        states = {name: dict(getattr(self, name).state_dict()) for name in nets}
        if self.comparison is not None:
            numbers["comparison"] = dict(vars(self.comparison))
        return {**numbers, **states, "net": type(self.final).__name__}

    @classmethod
    def from_payload(cls, payload: dict[str, Any], net: nn.Module) -> Trajectory:
        """The run with the numbers of ``payload``; ``net`` lends its class and shapes."""
        fields = dict(payload)
        saved = fields.pop("net")
        if saved != type(net).__name__:
            raise ValueError(f"net must be a {saved} as in the saved run, got {type(net).__name__}")
        for name in ("initial", "best", "final"):
            module, state = copy_of(net), fields[name]
            kinds = [{k: _kind(w) for k, w in s.items()} for s in (state, module.state_dict())]
            if kinds[0] != kinds[1]:
                raise ValueError(f"net must have weights {kinds[0]}, got {kinds[1]}")
            module.load_state_dict(state)
            fields[name] = module
        fields["setting"] = Setting(fields["setting"])
        for name in ("surrogate_loss", "drift", "step_sizes"):
            fields[name] = fields[name].cpu()
        if fields.get("comparison") is not None:
            fields["comparison"] = Comparison.from_payload(fields["comparison"])
        fields["drift_by_layer"] = {k: v.cpu() for k, v in fields["drift_by_layer"].items()}
        return cls(**fields)


def _kind(value: object) -> str:
    """Shape and dtype of a tensor, and the type of anything else."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
