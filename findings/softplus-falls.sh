#!/usr/bin/env bash
# What: torch's softplus gives its argument back above 20, in float64 too. log(1 + e^20) is
#   20 + 2.1e-9, so that the function jumps down by 2.1e-9 where the formula changes: it is neither
#   monotone nor convex there, and a million times less accurate than float64. logsigmoid, the same
#   function with two signs, is accurate.
# Why it matters here: the logistic loss is softplus of minus the margin; its convexity is what the
#   theorems use, and a check of convexity or a line search at 1e-12 fails at that point.
# Source: torch.nn.functional.softplus, `threshold=20`; the reason given is overflow.
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import torch
from torch.nn.functional import logsigmoid, softplus

print("torch", torch.__version__)
print("expectation: in float64 softplus rises, and is accurate to about 1e-16")
t = torch.tensor([20.0, 20.0 + 1e-9], dtype=torch.float64)
low, high = softplus(t).tolist()
print(f"seen: softplus(20) - 20 = {low - 20:.3e}, softplus(20 + 1e-9) - 20 = {high - 20:.3e}")
other = (-logsigmoid(-t)).tolist()
print(f"seen: -logsigmoid gives      {other[0] - 20:.3e} and                    {other[1] - 20:.3e}")
assert high < low and other[1] > other[0]
PY
echo "as described"
