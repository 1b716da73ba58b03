#!/usr/bin/env bash
# What: cosine_similarity replaces a length below eps by eps, so for a short vector it is linear,
#   <x, y> / (eps |y|), with gradient y / (eps |y|). Backward gives another vector: it takes off a
#   part along x, as if the length had not been replaced. Forward mode and finite differences agree
#   with each other, and not with it. Both derivatives are silent.
# Why: the lengths are clamped where autograd does not look, so that the value sees eps and the
#   reverse formula sees the length's own derivative. F.normalize, which clamps openly, is right.
# Source: cosine_similarity in torch's Distance.cpp; the documented formula, differentiated by hand.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python - <<'PY'
import torch
from torch.func import grad, jacfwd
from torch.nn.functional import cosine_similarity, normalize

print("torch", torch.__version__)
F64 = torch.float64
x, y = torch.tensor([0.3, 0.4], dtype=F64), torch.tensor([0.0, 2.0], dtype=F64)


def similarity(x):
    return cosine_similarity(x, y, dim=0, eps=1.0)


def by_hand(x):
    return normalize(x, dim=0, eps=1.0) @ normalize(y, dim=0, eps=1.0)


print("x", x.tolist(), "of length 0.5, y", y.tolist(), "and eps 1: the value is <x, y>/2")
print("expected: backward gives y/2, (0, 1), as forward mode does")
step = 1e-6 * torch.eye(2, dtype=F64)
quotients = torch.stack([(similarity(x + h) - similarity(x - h)) / 2e-6 for h in step])
found = {
    "value": similarity(x),
    "finite differences": quotients,
    "forward mode": jacfwd(similarity)(x),
    "backward": grad(similarity)(x),
    "backward, normalize": grad(by_hand)(x),
}
for name, what in found.items():
    print(f"seen: {name:19s}", torch.atleast_1d(what).mul(1e6).round().div(1e6).tolist())
true = y / 2
assert abs(float(found["value"]) - 0.4) < 1e-12 and abs(float(by_hand(x)) - 0.4) < 1e-12
assert (quotients - true).abs().max() < 1e-6
assert (found["forward mode"] - true).abs().max() < 1e-12
assert (found["backward, normalize"] - true).abs().max() < 1e-12
assert (found["backward"] - true).abs().max() > 0.3
PY
echo "as described"
