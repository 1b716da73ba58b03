#!/usr/bin/env bash
# What: a run whose warm-up is over is resumed from the states of optimiser and scheduler. If the
#   optimiser's state is loaded before the scheduler is built, a warm-up from 0.1 to 1 leaves it at
#   0.1 for ever; a warm-up followed by a decay goes on ten times too low. Built first and loaded
#   last, the same states give the right rates. Plain decays (StepLR, cosine) do not care.
# Why: a scheduler's constructor makes its step 0 and writes that rate into the optimiser over the one
#   that was loaded; its own load_state_dict restores counters, not the optimiser's rate; and each later
#   step multiplies the rate that it finds, by 1 once the warm-up is over.
# Source: torch/optim/lr_scheduler.py: LRScheduler._initial_step, load_state_dict, LinearLR.get_lr.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python -W error - <<'PY'
import copy

import torch
from torch.optim import lr_scheduler as schedules

print("torch", torch.__version__)
print("expected: with both states loaded, the rates of an uninterrupted run, in either order")


def warm_up(optimiser):
    return schedules.LinearLR(optimiser, 0.1, 1.0, total_iters=4)


def then_decay(optimiser):
    return schedules.SequentialLR(
        optimiser, [warm_up(optimiser), schedules.ExponentialLR(optimiser, 0.9)], [4]
    )


def plain(optimiser):
    return schedules.CosineAnnealingLR(optimiser, 20)


def fresh():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def rates(optimiser, scheduler, steps):
    seen = []
    for _ in range(steps):
        optimiser.step()
        scheduler.step()
        seen.append(round(optimiser.param_groups[0]["lr"], 4))
    return seen


for build in (warm_up, then_decay, plain):
    optimiser = fresh()
    scheduler = build(optimiser)
    rates(optimiser, scheduler, 6)
    saved = copy.deepcopy((optimiser.state_dict(), scheduler.state_dict()))
    whole = rates(optimiser, scheduler, 4)
    optimiser = fresh()
    scheduler = build(optimiser)
    optimiser.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    late = rates(optimiser, scheduler, 4)
    optimiser = fresh()
    optimiser.load_state_dict(saved[0])
    scheduler = build(optimiser)
    scheduler.load_state_dict(saved[1])
    early = rates(optimiser, scheduler, 4)
    print(f"seen, {build.__name__}: uninterrupted {whole}")
    print(f"   scheduler built, then both loaded:  {late}")
    print(f"   optimiser loaded, scheduler built:  {early}")
    assert late == whole and (early == whole) == (build is plain)
PY
echo "as described"
