"""Adversarial training: gradient descent on the loss at whatever points the attack finds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn

from ..attacks.base import Adversary
from ..checks import check_progress
from ..files import check_path
from ..losses import Loss
from ..models import undisturbed
from ..numerics import steady
from ..progress import Bar
from ..samples import Labelled
from ..sets import Perturbation
from . import checkpoint as checkpoints
from .begin import begin
from .comparison import Comparator
from .trajectory import Trajectory

CHECKPOINT_SECONDS = 1.0  # at most one checkpoint in so many seconds ...
CHECKPOINT_SHARE = 0.05  # ... and at most this share of the time spent on writing them


@steady()
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
    comparator: Comparator | Sequence[Tensor] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Trajectory:
    """Train a copy of ``net`` by ``steps`` full-batch steps against ``attack``; returns the run.

    Step t attacks every example at W_t, takes the mean loss at the points found (the surrogate
    loss) and moves by -``step_size`` times its gradient in the weights, with those points held
    constant: no gradient flows through the attack. With ``radius``, a ``Network`` then projects
    every layer back into that ball around its start (Theorem A; Theorem B needs none). A
    ``step_size`` that is a function is called with t and must depend on nothing else.

    ``net`` and ``attack`` are copied, never changed. The copy runs in evaluation mode throughout:
    each output, (n,) or (n, 1), depends on its own input only, and the sample is brought to the
    dtype of its weights. Only parameters that require a gradient are trained.
    Step t draws its random numbers from a stream of ``seed`` that is its own.

    ``record`` may name "attacked" (the points found at every step) and "weights" (the trained
    weights before every step and at the end). ``comparator`` is a ``Comparator`` for this sample,
    set and loss, or any fixed weights W_*, one tensor per trained layer as in ``net.start()``: the
    run then records its distance from them and what its regret is made of
    (``Trajectory.comparison``), without storing any weights. ``progress`` shows a bar of plain
    text on stderr; by default only on a terminal, so never in a notebook.

    ``checkpoint`` is a file written about once a second and at the end, whole or not at all. If it
    exists, the run goes on from it and ends with the same bits as a run never stopped (on the same
    machine and torch); ``steps`` may be larger than before. A file that is cut, foreign, or of a
    run with other arguments raises ``ValueError`` saying what differs, and is left untouched, also
    where another process puts it there while this run goes on. A net is known again by its class,
    its repr, its weights, which of them are trained, and its buffers; hooks and what else a module
    of one's own remembers are not looked at. The net may hold tensors of any
    dtype and layout, but for quantised ones, which raise ``TypeError`` before the first step.

    Raises ``ValueError`` or ``TypeError`` for bad arguments, and ``ValueError`` naming the step
    and its step size where the run diverges.
    """
    hidden = check_progress(progress)
    begun = begin(
        net,
        sample,
        perturbation=perturbation,
        attack=attack,
        loss=loss,
        step_size=step_size,
        steps=steps,
        radius=radius,
        record=record,
        comparator=comparator,
        seed=seed,
    )
    run, steps, device = begun.run, begun.steps, begun.run.setting.sample.x.device
    path = None if checkpoint is None else check_path("checkpoint", checkpoint)
    fingerprint: dict[str, str] = {}
    if path is not None:
        run.check_storable()
        fingerprint = run.fingerprint(**begun.words)
        checkpoints.check_lasting(fingerprint)
        if path.exists():
            run.resume(checkpoints.resumed(path, device, fingerprint), path, begun.alpha)
    due = time.monotonic() + CHECKPOINT_SECONDS
    with (
        undisturbed(run.net, device, buffers=False),  # its own, and part of the run
        Bar(total=steps, initial=run.t, disable=hidden, ascii=True, unit="step") as bar,
    ):
        while run.t < steps:
            begun.step()
            bar.update()
            if path is not None and time.monotonic() >= due:
                start = time.monotonic()
                checkpoints.write(path, run.payload(fingerprint), fingerprint)
                cost = time.monotonic() - start
                due = start + cost + max(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE)
    if path is not None:
        checkpoints.write(path, run.payload(fingerprint), fingerprint)
    return run.trajectory()
