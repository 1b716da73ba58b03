"""One step of adversarial training, and all that a run holds between two steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..attacks.oracle import NonFiniteOutputError, outputs
from ..models import check_own_weights, copy_of, explain
from ..networks import Network, known_net
from ..numerics import wide
from . import checkpoint as checkpoints
from .comparison import Comparison
from .setting import Setting
from .trajectory import Trajectory


class DivergedError(ValueError):
    """Outputs or weights are no longer finite."""


class Run:
    """A run after ``t`` of its steps."""

    def __init__(
        self,
        net: nn.Module,
        setting: Setting,
        steps: int,
        radius: float | None,
        record: Sequence[str],
        comparator: Sequence[Tensor] | None,
    ) -> None:
        self.initial, self.net, self.best = (copy_of(net) for _ in range(3))
        check_own_weights(net, self.net, setting.sample.x)
        self.trained = {k: w for k, w in self.net.named_parameters() if w.requires_grad}
        if not self.trained:
            raise ValueError("net must have parameters that require a gradient, got none")
        # the tensors of both, side by side: load_state_dict costs more than a step of a small net
        states = (module.state_dict().items() for module in (self.best, self.net))
        held, fixed = dict(self.net.named_parameters()), "fixed_buffers" in vars(type(net))
        pairs = [
            (name, kept, now)
            for (name, kept), (_, now) in zip(*states, strict=True)
            if name in held or not fixed  # buffers of nets of ours stay as they are
        ]
        # what a module keeps besides, text perhaps, is for itself to take over
        self.extra = any(name.endswith("_extra_state") for name, _, _ in pairs)
        self.states = [(kept, now) for _, kept, now in pairs if not self.extra]
        self.setting, self.attack = setting, copy.deepcopy(setting.attack)
        self.distances, self.project = _ball(self.net, self.initial, radius)
        self.t = self.best_step = 0
        drift, x = self.distances(), setting.sample.x
        self.layers = list(drift)
        self.surrogate_loss = x.new_empty(steps, device="cpu")
        self.step_sizes = torch.empty(steps, dtype=torch.float64, device="cpu")
        self.drift = torch.empty(steps + 1, len(drift), dtype=torch.float64, device="cpu")
        # the same memory, to which NumPy writes single numbers ten times as fast as torch
        self._numbers = [t.numpy() for t in (self.surrogate_loss, self.step_sizes, self.drift)]
        self._numbers[2][0] = list(drift.values())
        self.attacked = x.new_empty(steps, *x.shape) if "attacked" in record else None
        self.weights = {
            k: w.new_empty(steps + 1, *w.shape, requires_grad=False)
            for k, w in self.trained.items()
            if "weights" in record
        }
        for name, history in self.weights.items():
            history[0] = self.trained[name].detach()
        self.comparison = (
            None if comparator is None else Comparison.start(comparator, self.trained, steps)
        )

    def step(self, alpha: float, draw: torch.Generator) -> None:
        """One step of training, of size ``alpha``, from W_t to W_(t+1)."""
        t, (x, y) = self.t, (self.setting.sample.x, self.setting.sample.y)
        sets, loss = self.setting.perturbation, self.setting.loss
        try:
            attacked = self.attack(self.net, x, y, perturbation=sets, loss=loss, generator=draw)
            mean, gradients = self.gradients(attacked)
        except NonFiniteOutputError as error:
            if t == 0:
                raise
            raise _diverged(t - 1, float(self.step_sizes[t - 1])) from error
        self.advance(alpha, attacked, float(mean), gradients)

    def advance(
        self, alpha: float, attacked: Tensor, value: float, gradients: Sequence[Tensor]
    ) -> None:
        """Go to W_(t+1), given the points found at W_t, the mean loss there and its gradients."""
        self.move(alpha, attacked, value, gradients)
        self.arrive(alpha, attacked, value, list(self.distances().values()))

    def move(
        self, alpha: float, attacked: Tensor, value: float, gradients: Sequence[Tensor]
    ) -> None:
        """Keep W_t if it is the best so far, and bring the weights to W_(t+1)."""
        t, weights = self.t, list(self.trained.values())
        if t == 0 or value < self._numbers[0][self.best_step]:
            self.best_step = t
            for kept, now in self.states:
                kept.copy_(now)
            if self.extra:
                self.best.load_state_dict(self.net.state_dict())
        if self.comparison is not None:
            y, loss = self.setting.sample.y, self.setting.loss
            self.comparison.take(t, self.net, self.trained, gradients, attacked, y, loss)
        with torch.no_grad():
            for w, gradient in zip(weights, gradients, strict=True):
                # torch refuses a number that the dtype does not hold, and says so in its own words
                w.sub_(gradient, alpha=alpha if alpha <= torch.finfo(w.dtype).max else math.inf)
        self.project()

    def arrive(self, alpha: float, attacked: Tensor, value: float, drift: list[float]) -> None:
        """Note the step to W_(t+1), whose layers are at these distances from their start."""
        t, (losses, sizes, drifts) = self.t, self._numbers
        if not all(map(math.isfinite, (value, *drift))):
            raise _diverged(t, alpha)
        losses[t], sizes[t], drifts[t + 1] = value, alpha, drift
        if self.attacked is not None:
            self.attacked[t] = attacked
        for name, history in self.weights.items():
            history[t + 1] = self.trained[name].detach()
        if self.comparison is not None:
            self.comparison.arrive(t + 1, self.trained)
        self.t = t + 1

    def gradients(self, attacked: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The mean loss, and its gradient for every trained parameter; 0 for those unused."""
        y, loss = self.setting.sample.y, self.setting.loss
        weights: list[Tensor] = list(self.trained.values())
        net = known_net(self.net, attacked, gradients=True)
        neurons = None if net is None else net.neurons()
        with torch.set_grad_enabled(neurons is None):
            f = outputs(self.net, attacked)
        if neurons is not None:  # whose gradient needs no graph
            weights = [f.requires_grad_()]
        mean = loss(f, y).mean()
        if not mean.requires_grad:
            raise ValueError(
                "net must have outputs with a gradient to its trainable parameters, got outputs "
                "that are cut off from them (does it detach them, or run under torch.no_grad?)"
            )
        try:
            found = torch.autograd.grad(mean, weights, allow_unused=True, materialize_grads=True)
        except Exception as error:
            explain(self.net, attacked, error)
            raise
        if neurons is not None:
            found = (neurons.weight_gradient(attacked, found[0]),)
        return mean.detach(), found

    def trajectory(self) -> Trajectory:
        """The steps taken so far."""
        t = self.t
        drift = self.drift[: t + 1].clone()
        return Trajectory(
            setting=self.setting,
            surrogate_loss=self.surrogate_loss[:t].clone(),
            drift=drift.norm(dim=1),
            drift_by_layer=dict(zip(self.layers, drift.unbind(1), strict=True)),
            step_sizes=self.step_sizes[:t].clone(),
            initial=self.initial,
            best=self.best,
            final=self.net,
            attacked=None if self.attacked is None else self.attacked[:t].clone(),
            weights={k: w[: t + 1].clone() for k, w in self.weights.items()} or None,
            comparison=None if self.comparison is None else self.comparison.until(t),
        )

    def fingerprint(self, **options: str) -> dict[str, str]:
        """All that decides the bits of the run, except the step sizes: those are in the record."""
        # buffers that no state dict has decide too
        state = self.initial.state_dict() | dict(self.initial.named_buffers())
        text = repr(self.initial) + str(list(state))
        if len(self.trained) < len(dict(self.initial.named_parameters())):
            text += f" of which are trained {list(self.trained)}"
        to = {} if self.comparison is None else self.comparison.weights
        return {
            **({"comparator": checkpoints.digest(to.values())} if to else {}),
            "net": f"{type(self.net).__name__} with weights "
            + checkpoints.digest(state.values(), text),
            **self.setting.known,
            "device": self.setting.sample.x.device.type,
            **options,
        }

    def check_storable(self) -> None:
        """Raise where a checkpoint could not hold the net, or what the attack remembers."""
        checkpoints.check_storable("net", self.initial.state_dict())
        checkpoints.check_storable("attack", self.attack.state())

    def payload(self, fingerprint: dict[str, str]) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "fingerprint": fingerprint,
            "attack": self.attack.state(),
            "trajectory": self.trajectory().payload(),
        }

    def resume(self, saved: dict[str, Any], path: Path, alpha: Callable[[int], float]) -> None:
        """Go on from ``saved``, the checkpoint at ``path``, if its steps are those of this run."""
        run = Trajectory.from_payload(saved["trajectory"], self.initial)
        t, most = run.steps, len(self.surrogate_loss)
        if t > most:
            raise ValueError(
                f"checkpoint {path} has taken {t} steps already, more than steps={most}"
            )
        for k, size in enumerate(run.step_sizes.tolist()):
            if size != alpha(k):
                raise ValueError(
                    f"checkpoint {path} belongs to another run: step_size at step {k} was "
                    f"{size:g}, is {alpha(k):g}; it is left as is"
                )
        self.attack.restore(saved["attack"])
        self.net.load_state_dict(run.final.state_dict())
        self.best.load_state_dict(run.best.state_dict())
        self.t, self.best_step = t, run.best_step
        self.surrogate_loss[:t], self.step_sizes[:t] = run.surrogate_loss, run.step_sizes
        self.drift[: t + 1] = torch.stack(list(run.drift_by_layer.values()), 1)
        if self.attacked is not None and run.attacked is not None:
            self.attacked[:t] = run.attacked
        for name, history in (run.weights or {}).items():
            self.weights[name][: t + 1] = history
        if self.comparison is not None and run.comparison is not None:
            self.comparison.resume(run.comparison)


def _ball(
    net: nn.Module, initial: nn.Module, radius: float | None
) -> tuple[Callable[[], dict[str, float]], Callable[[], None]]:
    """How far the layers of ``net`` are from their start, and the way back into the ball.

    A ``Network`` knows its W_0 and its ball. Any other module starts where it is, at the weights of
    ``initial``, and has no ball.
    """
    if isinstance(net, Network):
        if radius is None:
            return net.drift, lambda: None
        if max(net.drift().values()) > radius:
            raise ValueError(f"net starts outside the ball of radius {radius:g}: {net.drift()}")
        return net.drift, partial(net.project, radius)
    if radius is not None:
        raise TypeError(
            f"radius needs a Network such as TwoLayerNet, with project(radius), "
            f"got {type(net).__name__}"
        )
    start = {k: wide(w) for k, w in initial.named_parameters()}
    trained = {k: w for k, w in net.named_parameters() if w.requires_grad}

    def drift() -> dict[str, float]:
        with torch.no_grad():
            return {k: float((wide(w) - start[k]).norm()) for k, w in trained.items()}

    return drift, lambda: None


def _diverged(t: int, alpha: float) -> DivergedError:
    return DivergedError(
        f"training diverged at step {t}, with step_size {alpha:g}: the net's outputs or weights "
        "are no longer finite; try a smaller step_size, or a sample of smaller x"
    )
