"""Adversarial training: gradient descent on the loss at whatever points the attack finds."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..attacks.base import Adversary, check_adversary, undisturbed
from ..attacks.oracle import NonFiniteOutputError, outputs
from ..checks import check_choice, check_integer, check_real
from ..losses import Loss
from ..numerics import generator
from ..samples import Labelled, check_labelled
from ..sets import Perturbation
from . import checkpoint as checkpoints
from .comparison import Comparison
from .trajectory import Trajectory

RECORDS = ("attacked", "weights")
CHECKPOINT_SECONDS = 1.0  # at most one checkpoint in so many seconds ...
CHECKPOINT_SHARE = 0.05  # ... and at most this share of the time spent on writing them


def adversarial_training(
    net: nn.Module,
    sample: Labelled,
    *,
    perturbation: Perturbation,
    attack: Adversary,
    loss: Loss,
    step_size: float | Callable[[int], float],
    steps: int,
    radius: float | None = None,
    record: Iterable[str] = (),
    comparator: Sequence[Tensor] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Trajectory:
    """Train a copy of ``net`` by ``steps`` full-batch steps against ``attack``; returns the run.

    Step t attacks every example at W_t, takes the mean loss at the points found (the surrogate
    loss) and moves by -``step_size`` times its gradient in the weights, with those points held
    constant: no gradient flows through the attack. With ``radius``, the net's own ``project``
    then brings every layer back into that ball around its start (Theorem A; Theorem B needs none).
    A ``step_size`` that is a function is called with t and must depend on nothing else.

    ``net`` and ``attack`` are copied, never changed. The copy runs in evaluation mode throughout:
    each output depends on its own input only. Only parameters that require a gradient are trained.
    Step t draws its random numbers from a stream of ``seed`` that is its own.

    ``record`` may name "attacked" (the points found at every step) and "weights" (the trained
    weights before every step and at the end). ``comparator`` are fixed weights W_*, one tensor per
    trained layer as in ``net.start()``: the run then records its distance from them and what its
    regret is made of (``Trajectory.comparison``), without storing any weights. ``progress`` shows
    a bar of plain text on stderr; by default only on a terminal, so never in a notebook.

    ``checkpoint`` is a file written about once a second and at the end, whole or not at all. If it
    exists, the run goes on from it and ends with the same bits as a run never stopped (on the same
    machine and torch); ``steps`` may be larger than before. A file that is cut, foreign, or of a
    run with other arguments raises ``ValueError`` saying what differs, and is left untouched.

    Raises ``ValueError`` or ``TypeError`` for bad arguments, and ``ValueError`` naming the step
    and its step size where the run diverges.
    """
    run = _Run(
        net, sample, perturbation, attack, loss, step_size, steps, radius, record, comparator, seed
    )
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"checkpoint must be in a directory that exists, got {str(checkpoint)!r}")
    if path is not None and path.exists():
        run.resume(path)
    hidden = None if progress is None else not progress  # tqdm: None hides it off a terminal
    due = time.monotonic() + CHECKPOINT_SECONDS
    with (
        undisturbed(run.net, sample.x.device),
        tqdm(total=steps, initial=run.t, disable=hidden, ascii=True, unit="step") as bar,
    ):
        while run.t < steps:
            run.step()
            bar.update()
            if path is not None and time.monotonic() >= due:
                begun = time.monotonic()
                run.save(path)
                cost = time.monotonic() - begun
                due = begun + cost + max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE)
    if path is not None:
        run.save(path)
    return run.trajectory()


class _Run:
    """A run after ``t`` of its steps."""

    def __init__(
        self,
        net: nn.Module,
        sample: Labelled,
        perturbation: Perturbation,
        attack: Adversary,
        loss: Loss,
        step_size: float | Callable[[int], float],
        steps: int,
        radius: float | None,
        record: Iterable[str],
        comparator: Sequence[Tensor] | None,
        seed: int,
    ) -> None:
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be a torch module, got {type(net).__name__}")
        check_adversary("attack", attack)
        check_labelled(sample)
        if not callable(step_size):
            check_real("step_size", step_size, above=0)
        if isinstance(record, str) or not isinstance(record, Iterable):
            raise TypeError(f"record must be a collection such as ('weights',), got {record!r}")
        self.record = sorted(check_choice("record", name, RECORDS) for name in set(record))
        self.steps = check_integer("steps", steps, minimum=0)
        self.seed = check_integer("seed", seed, minimum=0)
        self.initial, self.net, self.best = (copy.deepcopy(net) for _ in range(3))
        self.trained = {k: w for k, w in self.net.named_parameters() if w.requires_grad}
        if not self.trained:
            raise ValueError("net must have parameters that require a gradient, got none")
        self.start = {k: w.detach().double() for k, w in self.initial.named_parameters()}
        self.sample, self.perturbation, self.loss = sample, perturbation, loss
        self.attack = copy.deepcopy(attack)
        self.step_size, self.radius = step_size, radius
        self.t = self.best_step = 0
        drift = self._drift()
        self.layers = list(drift)
        if radius is not None:
            check_real("radius", radius, minimum=0)
            if not callable(getattr(net, "project", None)):
                kind = type(net).__name__
                raise TypeError(f"radius needs a net with project(radius), got {kind}")
            if max(drift.values()) > radius:
                raise ValueError(f"net starts outside the ball of radius {radius:g}: {drift}")
        x = sample.x
        self.surrogate_loss = x.new_empty(steps, device="cpu")
        self.step_sizes = torch.empty(steps, dtype=torch.float64)
        self.drift = torch.empty(steps + 1, len(drift), dtype=torch.float64)
        self.drift[0] = torch.tensor(list(drift.values()))
        self.attacked = x.new_empty(steps, *x.shape) if "attacked" in self.record else None
        self.weights = {
            k: w.new_empty(steps + 1, *w.shape, requires_grad=False)
            for k, w in self.trained.items()
            if "weights" in self.record
        }
        for name, history in self.weights.items():
            history[0] = self.trained[name].detach()
        self.comparison = (
            None if comparator is None else Comparison.start(comparator, self.trained, steps)
        )

    def step(self) -> None:
        """One step of training, from W_t to W_(t+1)."""
        t, alpha = self.t, self._alpha(self.t)
        x, y = self.sample.x, self.sample.y
        weights = list(self.trained.values())
        try:
            attacked = self.attack(
                self.net,
                x,
                y,
                perturbation=self.perturbation,
                loss=self.loss,
                generator=generator(self.seed, t),
            )
            mean = self.loss(outputs(self.net, attacked), y).mean()
        except NonFiniteOutputError as error:
            if t == 0:
                raise
            raise self._diverged(t - 1) from error
        gradients = torch.autograd.grad(mean, weights, allow_unused=True, materialize_grads=True)
        value = float(mean.detach())
        if t == 0 or value < float(self.surrogate_loss[self.best_step]):
            self.best_step = t
            self.best.load_state_dict(self.net.state_dict())
        if self.comparison is not None:
            self.comparison.take(t, self.net, self.trained, gradients, attacked, y, self.loss)
        with torch.no_grad():
            for w, gradient in zip(weights, gradients, strict=True):
                w.sub_(gradient, alpha=alpha)
        if self.radius is not None:
            self.net.project(self.radius)  # type: ignore[operator]
        drift = self._drift()
        if not all(map(math.isfinite, (value, *drift.values()))):
            raise self._diverged(t)
        self.surrogate_loss[t], self.step_sizes[t] = value, alpha
        self.drift[t + 1] = torch.tensor(list(drift.values()), dtype=torch.float64)
        if self.attacked is not None:
            self.attacked[t] = attacked
        for name, history in self.weights.items():
            history[t + 1] = self.trained[name].detach()
        if self.comparison is not None:
            self.comparison.arrive(t + 1, self.trained)
        self.t = t + 1

    def trajectory(self) -> Trajectory:
        """The steps taken so far."""
        t = self.t
        drift = self.drift[: t + 1].clone()
        return Trajectory(
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

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        checkpoints.write(
            path,
            {
                "fingerprint": self._fingerprint(),
                "attack": self.attack.state(),
                "trajectory": self.trajectory().payload(),
            },
        )

    def resume(self, path: Path) -> None:
        """Go on from the checkpoint at ``path``, if it is one of this run."""
        saved = checkpoints.read(path, self.sample.x.device)
        if "fingerprint" not in saved:
            raise ValueError(f"{path} is not a checkpoint of a run; it is left as is")
        differ = checkpoints.differences(saved["fingerprint"], self._fingerprint())
        if differ:
            raise ValueError(f"{path} belongs to another run: {differ}; it is left as is")
        run = Trajectory.from_payload(saved["trajectory"], self.initial)
        t = len(run.surrogate_loss)
        if t > self.steps:
            raise ValueError(f"{path} has taken {t} steps already, more than steps={self.steps}")
        for k, alpha in enumerate(run.step_sizes.tolist()):
            if alpha != self._alpha(k):
                raise ValueError(
                    f"{path} belongs to another run: step_size at step {k} was {alpha:g}, is "
                    f"{self._alpha(k):g}; it is left as is"
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

    def _alpha(self, t: int) -> float:
        value = self.step_size(t) if callable(self.step_size) else self.step_size
        return check_real(f"step_size at step {t}", value, above=0)

    def _drift(self) -> dict[str, float]:
        if callable(getattr(self.net, "drift", None)):
            drift: dict[str, float] = self.net.drift()  # type: ignore[operator]
            return drift
        with torch.no_grad():
            return {k: float((w.double() - self.start[k]).norm()) for k, w in self.trained.items()}

    def _diverged(self, t: int) -> ValueError:
        return ValueError(
            f"training diverged at step {t}, with step_size {self._alpha(t):g}: the net's outputs "
            "or weights are no longer finite; try a smaller step_size"
        )

    def _fingerprint(self) -> dict[str, str]:
        """All that decides the bits of the run, except the step sizes: those are in the record."""
        state, x, y = self.initial.state_dict(), self.sample.x, self.sample.y
        kind = f"{type(self.net).__name__} with weights "
        to = {} if self.comparison is None else self.comparison.weights
        return {
            **({"comparator": checkpoints.digest(to.values())} if to else {}),
            "net": kind + checkpoints.digest(state.values(), repr(self.initial) + str(list(state))),
            "sample": f"{len(x)} points with contents {checkpoints.digest([x, y])}",
            "device": x.device.type,
            "perturbation": checkpoints.describe("perturbation", self.perturbation),
            "attack": checkpoints.describe("attack", self.attack),
            "loss": checkpoints.describe("loss", self.loss),
            "radius": repr(self.radius),
            "record": repr(self.record),
            "seed": repr(self.seed),
        }
