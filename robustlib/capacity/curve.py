"""What width buys in practice: trained nets of many widths, judged by certified intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from ..activations import Activation
from ..attacks import Adversary
from ..checks import check_choice, check_integer, check_list, check_real, shown
from ..losses import Loss
from ..networks import TwoLayerNet
from ..numerics import steady
from ..samples import Sample
from ..sets import Perturbation
from ..sweeps import grid, sweep
from ..training import adversarial_training
from ..training.checkpoint import check_lasting, describe
from ..training.setting import Setting
from ..verification.robust_loss import robust_loss
from ..verification.search import EFFORTS


@dataclass(frozen=True, repr=False)
class WidthRun:
    """One trained net, at its best step: losses on the training sample.

    ``clean_loss`` without an attack, ``surrogate_loss`` at what the attack found, and ``lower`` and
    ``upper`` ends of the robust loss; ``accuracy`` holds both ends of the robust accuracy.
    ``reached`` is the first step with a surrogate loss of at most the target, None where there is
    none; ``drift`` how far the weights went.
    """

    width: int
    seed: int
    clean_loss: float
    surrogate_loss: float
    lower: float
    upper: float
    accuracy: tuple[float, float]
    reached: int | None
    drift: float

    def __repr__(self) -> str:
        reached = "never" if self.reached is None else f"at step {self.reached}"
        return (
            f"A net of width {self.width}, seed {self.seed}: surrogate loss "
            f"{self.surrogate_loss:.4g}, robust loss from {self.lower:.4g} to {self.upper:.4g}; "
            f"target reached {reached}, weights {self.drift:.4g} from their start."
        )

    @property
    def suboptimality(self) -> float:
        """At most this much of the robust loss was missed by the training attack."""
        return self.upper - self.surrogate_loss


@dataclass(frozen=True, repr=False)
class WidthCurve:
    """Runs of :func:`width_curve`: prints one line a width, medians with smallest and largest."""

    runs: tuple[WidthRun, ...]
    target: float

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths, ascending."""
        return tuple(sorted({run.width for run in self.runs}))

    def values(self, name: str, width: int) -> list[float]:
        """The number ``name`` of every run of ``width``, one a seed; inf for None."""
        known = [key.name for key in fields(WidthRun) if key.name != "accuracy"]
        check_choice("name", name, [*known, "suboptimality"])
        width = check_integer("width", width, minimum=1)
        found = [getattr(run, name) for run in self.runs if run.width == width]
        if not found:
            raise ValueError(f"width must be one of {self.widths}, got {width}")
        return [math.inf if value is None else float(value) for value in found]

    def narrowest(self) -> tuple[float, float]:
        """The least width whose median robust loss is below the target: proved, and at best.

        From the upper and from the lower ends of the intervals: the width that practice needs is
        between the second number and the first. inf where no width will do.
        """

        def least(end: str) -> float:
            good = [w for w in self.widths if statistics.median(self.values(end, w)) <= self.target]
            return float(min(good, default=math.inf))

        return least("upper"), least("lower")

    def __repr__(self) -> str:
        lines = [
            f"Trained nets, {len(self.runs) // len(self.widths)} seeds a width; median "
            "[smallest, largest]; target " + f"{self.target:g}",
            f"{'width':>6}  {'surrogate loss':22}  {'robust loss at least':22}  "
            f"{'robust loss at most':22}  {'steps to target':>15}",
        ]
        for width in self.widths:
            cells = [
                f"{_spread(self.values(name, width)):22}"
                for name in ("surrogate_loss", "lower", "upper")
            ]
            steps = statistics.median(self.values("reached", width))
            reached = "never" if steps == math.inf else f"{steps:.0f}"
            lines.append(f"{width:>6}  {'  '.join(cells)}  {reached:>15}")
        return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


@steady()
def width_curve(
    sample: Sample,
    *,
    widths: Iterable[int],
    perturbation: Perturbation,
    attack: Adversary,
    loss: Loss,
    step_size: float,
    steps: int,
    target: float,
    seeds: int = 5,
    activation: str | Activation = "relu",
    effort: str = "medium",
    **engine: Any,
) -> WidthCurve:
    """Train two-layer nets of every width, ``seeds`` of each, and judge their robust losses.

    Each net has the symmetric start and a bias, and is trained by ``steps`` steps of
    ``step_size`` against ``attack`` (``NoAttack()``: plain training); its weights of the best step
    are judged on ``sample`` by :func:`robustlib.robust_loss` with ``effort``. ``target`` is the
    loss at which the steps are counted.

    With ``workers``, ``store``, ``cluster`` or another option of :func:`robustlib.sweep` the runs
    are handed to it: to other processes, with what is finished kept in a file. Their numbers are
    the same, for one thread here as there. Raises as training does, for fewer than one seed, and
    ``RuntimeError`` where a run of a sweep failed.
    """
    if not isinstance(sample, Sample):
        raise TypeError(f"sample must be a Sample, got {type(sample).__name__}")
    seeds = check_integer("seeds", seeds, minimum=1)
    steps = check_integer("steps", steps, minimum=1)
    target = check_real("target", target, above=0)
    sizes = [check_integer("widths", width, minimum=1) for width in check_list("widths", widths)]
    if not sizes or any(size % 2 for size in sizes):
        raise ValueError(f"widths must hold at least one width, all even, got {shown(sizes)}")
    effort = check_choice("effort", effort, EFFORTS)

    def train(width: int, seed: int) -> dict[str, Any]:
        """The fields of a :class:`WidthRun`, as plain data."""
        net = TwoLayerNet(sample.d, width, activation=activation, seed=seed).to(sample.x)
        run = adversarial_training(
            net,
            sample,
            perturbation=perturbation,
            attack=attack,
            loss=loss,
            step_size=step_size,
            steps=steps,
            progress=False,
            seed=seed,
        )
        best = run.best_step
        judged = robust_loss(run.best, sample, perturbation=perturbation, loss=loss, effort=effort)
        with torch.no_grad():
            clean = float(loss(run.best(sample.x), sample.y).mean())
        reached = (run.surrogate_loss <= target).nonzero().flatten()
        return {
            "width": width,
            "seed": seed,
            "clean_loss": clean,
            "surrogate_loss": float(run.surrogate_loss[best]),
            "lower": judged.lower,
            "upper": judged.upper,
            "accuracy": judged.accuracy,
            "reached": int(reached[0]) if len(reached) else None,
            "drift": float(run.drift[best]),
        }

    settings = grid(width=sizes, seed=range(seeds))
    if not engine:
        return WidthCurve(tuple(WidthRun(**train(**setting)) for setting in settings), target)
    # what else a number depends on, in words: a store may not take one curve's runs for another's
    whole = Setting.of(sample, perturbation, loss, attack).known
    others = {"step_size": step_size, "steps": steps, "target": target, "effort": effort}
    whole |= {name: describe(value) for name, value in others.items()}
    whole["activation"] = describe(activation)
    check_lasting(whole)
    table = sweep(
        lambda width, seed, whole: {"run": train(width, seed)},
        [setting | {"whole": whole} for setting in settings],
        **({"name": "width_curve"} | engine),
    )
    for run in table.failed:
        raise RuntimeError(f"width {run.setting['width']}, seed {run.setting['seed']}: {run.error}")
    return WidthCurve(tuple(_run(run.result) for run in table.runs), target)


def _run(result: dict[str, Any] | None) -> WidthRun:
    assert result is not None  # it is done
    fields = result["run"]
    return WidthRun(**fields | {"accuracy": tuple(fields["accuracy"])})
