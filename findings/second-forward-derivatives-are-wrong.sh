#!/usr/bin/env bash
# What: torch.func.jacfwd nested in itself gives false second derivatives, without a word, at
#   ordinary points. The Hessian of the log-determinant is all zeros; those of layer and batch norm
#   are wrong and not even symmetric. Once forward, forward over reverse and reverse over reverse
#   are all right, so a test of first derivatives sees nothing.
# Why: these operators hand out what they computed on the way (an LU factorisation, a mean, an
#   inverse deviation), marked as not differentiable, and their forward formulas use it. The outer
#   derivative takes it for a constant.
# Source: torch's derivatives.yaml: `output_differentiability` and `result` of _linalg_slogdet,
#   native_layer_norm and native_batch_norm; second derivatives compared with closed forms here.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python - <<'PY'
import torch
from torch.func import jacfwd, jacrev

print("torch", torch.__version__)
print("expected: three ways to a Hessian agree with the closed form, up to rounding")
F64 = torch.float64
matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=F64)
inverse = torch.linalg.inv(matrix)
exact = {"log det": -torch.einsum("li,jk->ijkl", inverse, inverse)}


def log_det(a):
    return torch.linalg.slogdet(a)[1]


def by_hand(x):
    c = x - x.mean()
    return c[0] / ((c * c).mean() + 1e-5).sqrt()


def layer(x):
    return torch.nn.functional.layer_norm(x, (4,))[0]


def batch(x):
    return torch.nn.functional.batch_norm(x[:, None], None, None, training=True)[0, 0]


x = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=F64)
exact["layer norm"] = exact["batch norm"] = jacrev(jacrev(by_hand))(x)
for name, f, at in (("log det", log_det, matrix), ("layer norm", layer, x), ("batch norm", batch, x)):
    ways = {
        "reverse twice": jacrev(jacrev(f))(at),
        "forward over reverse": jacfwd(jacrev(f))(at),
        "forward twice": jacfwd(jacfwd(f))(at),
    }
    off = {way: float((found - exact[name]).abs().max()) for way, found in ways.items()}
    print(f"seen, {name:10s}: largest error", ", ".join(f"{w} {e:.1e}" for w, e in off.items()))
    assert off["reverse twice"] < 1e-9 and off["forward over reverse"] < 1e-9
    assert off["forward twice"] > 0.1 and (jacfwd(f)(at) - jacrev(f)(at)).abs().max() < 1e-12
    if name == "log det":
        assert not ways["forward twice"].any()
        print("seen, log det: forward twice is zero in all", ways["forward twice"].numel(), "entries")
PY
echo "as described"
