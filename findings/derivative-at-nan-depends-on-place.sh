#!/usr/bin/env bash
# What: the derivative of an activation at NaN depends on where in the tensor the NaN stands. With
#   37 NaN in a row, ELU has derivative NaN in most places and 1 in the last few; hardtanh and ReLU6
#   have 0 and 1, hardshrink too. A NaN alone counts as one of the last. So whether a
#   NaN in the activations shows in the gradient depends on its column.
# Why: the CPU kernels work through a tensor in vectors and finish the rest one by one. The two
#   pieces of code ask opposite questions (inside the bounds, or outside them?), and NaN answers no
#   to both.
# Source: hardtanh_backward_kernel, elu_backward_kernel and shrink_backward_kernel in torch's
#   native/cpu/Activation.cpp.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python - <<'PY'
import torch
from torch.nn import functional as F

print("torch", torch.__version__)
print("expected: one derivative at NaN, wherever it stands")

for f in (F.hardtanh, F.relu6, F.elu, F.selu, F.hardshrink):
    many = torch.full((37,), float("nan"), requires_grad=True)
    one = torch.full((1,), float("nan"), requires_grad=True)
    (slopes,) = torch.autograd.grad(f(many).sum(), many)
    (alone,) = torch.autograd.grad(f(one).sum(), one)
    row = [str(round(v, 4)) for v in slopes.tolist()]
    runs = [f"{row.count(v)} x {v}" for v in dict.fromkeys(row)]
    print(f"seen: {f.__name__:10s} 37 NaN: {', then '.join(runs):22s} one NaN: {alone.item():.4f}")
    assert len(runs) == 2 and row[-1] == str(round(alone.item(), 4)) != row[0]
PY
echo "as described"
