"""``python -m robustlib train``: a two-layer net against an attack, and what is known of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..activations import ACTIVATIONS
from ..attacks import APGD, FGSM, PGD, Adversary, NoAttack, RandomNoise
from ..files import check_target
from ..losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from ..networks import TwoLayerNet
from ..sets import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from ..training import adversarial_training
from ..verification import robust_loss
from ..verification.search import EFFORTS
from . import options as shared
from .data import SAMPLES, sample_of
from .wrong import WrongCall

_EXAMPLE = """\
    python -m robustlib train hexagon --budget smoke --out run.json

    Sample 'hexagon': 6 points on the unit sphere of R^2, ...
    A run of 5 steps: surrogate loss 0.4142 at step 0, least 0.3772 at step 4; ...
    Robust loss between 0.3772... and 0.3777...; robust accuracy 1.

The first number is what the attack saw, the surrogate loss; the interval holds the true maximum,
the robust loss, of the net of the best step.
Your own data: FILE.npz with arrays x and y, or FILE.csv with one row a point and the label last.
With --store FILE a stopped run goes on from there, to the same bits."""
SETS: dict[str, type[Any]] = {"cap": SphereCap, "linf": LinfBall, "l2": L2Ball, "l1": L1Ball}
ATTACKS = ("pgd", "apgd", "fgsm", "random", "none")
LOSSES: dict[str, Callable[[], Loss]] = {
    "huber": PseudoHuber,
    "logistic": Logistic,
    "hinge": Hinge,
    "logcosh": LogCosh,
}
# width and steps where they are not given, by budget
SIZES = {"smoke": (64, 5), "laptop": (256, 50), "gpu": (65_536, 200)}


def add(commands: Any) -> None:
    """The command and its options."""
    run = shared.parser(
        commands,
        "train",
        does="train a net against an attack",
        long="Train a two-layer net against an attack, and bound its robust loss.",
        example=_EXAMPLE,
    )
    run.add_argument(
        "sample",
        nargs="?",
        default="digits",
        metavar="SAMPLE",
        help=f"{', '.join(SAMPLES)}, or a file .npz or .csv (default: %(default)s)",
    )
    run.add_argument("--points", type=int, metavar="N", help="so many of them (default: all)")
    run.add_argument("--classes", nargs=2, metavar="C", help="classes that become -1 and +1")
    run.add_argument("--scale", choices=("rows", "columns"), help="scaling of a file's points")
    run.add_argument("--width", type=int, metavar="M", help="units (default: by the budget)")
    run.add_argument("--activation", choices=tuple(ACTIVATIONS), default="relu")
    run.add_argument("--set", choices=tuple(SETS), default="cap", help="where points may be moved")
    run.add_argument("--eps", type=float, default=0.1, help="its radius (default: %(default)s)")
    run.add_argument("--attack", choices=ATTACKS, default="pgd", help="(default: %(default)s)")
    run.add_argument("--attack-steps", type=int, default=5, metavar="N", help="of pgd and apgd")
    run.add_argument("--loss", choices=tuple(LOSSES), default="huber")
    run.add_argument("--steps", type=int, metavar="T", help="of training (default: by the budget)")
    run.add_argument("--step-size", type=float, default=2.0, help="(default: %(default)s)")
    run.add_argument("--radius", type=float, help="of a ball for the weights (default: none)")
    run.add_argument("--float32", action="store_true", help="half the memory, looser bounds")
    run.add_argument("--effort", choices=tuple(EFFORTS), default="low", help="for the bounds")
    run.add_argument("--store", type=Path, metavar="FILE", help="keep the run, and go on from it")
    shared.share(run, "--device", "--budget", "--seed", "--out")
    run.set_defaults(run=run_train, kept=_kept)


def _kept(options: argparse.Namespace) -> str:
    words = f"the run is in {options.store}, and the same command goes on from it"
    return shared.kept(options.store, "--store", words)


def run_train(options: argparse.Namespace) -> int:
    """Train, bound, print, write."""
    width, steps = SIZES[options.budget]
    width = width if options.width is None else options.width
    steps = steps if options.steps is None else options.steps
    if options.store is not None:
        check_target("--store", options.store)
    dtype = torch.float32 if options.float32 else torch.float64
    sample = sample_of(options).to(options.device, dtype)
    sets: Perturbation = SETS[options.set](options.eps)
    attack, loss = _attack(options), LOSSES[options.loss]()
    net = TwoLayerNet(sample.d, width, activation=options.activation, seed=options.seed)
    print(sample, flush=True)
    try:
        run = adversarial_training(
            net.to(sample.x),
            sample,
            perturbation=sets,
            attack=attack,
            loss=loss,
            step_size=options.step_size,
            steps=steps,
            radius=options.radius,
            checkpoint=options.store,
            progress=sys.stderr.isatty(),
            seed=options.seed,
        )
    except ValueError as error:
        if not str(error).startswith("training diverged"):
            raise WrongCall(str(error)) from None
        print(error, file=sys.stderr)
        return 1
    print(run, flush=True)
    found = robust_loss(
        run.best, sample, perturbation=sets, loss=loss, effort=options.effort, seed=options.seed
    )
    print(found)
    if options.out is not None:
        shared.write_json(
            options.out,
            {
                "sample": repr(sample),
                "net": repr(net),
                "setting": run.setting.known,
                "device": str(options.device),
                "torch": torch.__version__,
                "seed": options.seed,
                "step_sizes": run.step_sizes.tolist(),
                "surrogate_loss": run.surrogate_loss.tolist(),
                "drift": run.drift.tolist(),
                "best_step": run.best_step,
                "robust_loss": [found.lower, found.upper],
                "robust_accuracy": found.accuracy,
            },
        )
    return 0


def _attack(options: argparse.Namespace) -> Adversary:
    steps: dict[str, Any] = {"steps": options.attack_steps, "seed": options.seed}
    made: dict[str, Adversary] = {
        "pgd": PGD(**steps),
        "apgd": APGD(**steps),
        "fgsm": FGSM(),
        "random": RandomNoise(seed=options.seed),
        "none": NoAttack(),
    }
    return made[options.attack]
