#!/usr/bin/env bash
# What: four ways to write max(t, 0) have three derivatives at t = 0 in torch: relu and threshold 0,
#   clamp(min=0) 1, maximum with zeros 1/2; and the same at the upper kink of the clipped ReLU,
#   where relu6 has 0 and clamp(0, 6) has 1. jvp agrees with each.
# Why it matters here: at a symmetric or zero start every hinge and every unit may sit exactly on its
#   kink. Two "equal" losses then train differently from step 0 on, and a result about "gradient
#   descent on ReLU nets" depends on which function was called.
# Source: torch's derivatives.yaml: threshold_backward, clamp (mask includes its ends), maximum
#   (halves at ties).
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import torch
from torch.nn.functional import relu6, threshold

print("torch", torch.__version__)
print("expectation: equal functions have equal derivatives, relu's 0 at the kink")
ways = {
    "relu": torch.relu,
    "threshold": lambda t: threshold(t, 0.0, 0.0),
    "clamp(min=0)": lambda t: t.clamp(min=0.0),
    "maximum": lambda t: torch.maximum(t, torch.zeros_like(t)),
}
zero, six = torch.tensor(0.0), torch.tensor(6.0)
seen = {k: float(torch.func.grad(f)(zero)) for k, f in ways.items()}
top = {k: float(torch.func.grad(f)(six)) for k, f in
       {"relu6": relu6, "clamp(0, 6)": lambda t: t.clamp(0.0, 6.0)}.items()}
print("seen at 0:", seen)
print("seen at 6:", top)
assert seen == {"relu": 0.0, "threshold": 0.0, "clamp(min=0)": 1.0, "maximum": 0.5}
assert top == {"relu6": 0.0, "clamp(0, 6)": 1.0}
PY
echo "as described"
