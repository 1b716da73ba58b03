#!/usr/bin/env bash
# What: at a singular matrix of rank n - 1 the determinant has a gradient, its adjugate. torch says
#   0, in reverse and in forward mode; with create_graph=True, or by torch.func.grad, it says the
#   adjugate. At the identity it is the other way round: the Hessian is right by torch.autograd
#   and NaN by torch.func, although the determinant is a polynomial.
# Why: there are two formulas. One multiplies the determinant by an inverse, so it is 0 where the
#   determinant is; it is taken whenever nobody will differentiate again. The other goes through a
#   singular value decomposition, whose own derivative divides by differences of singular values.
#   It is taken for singular matrices, and for all matrices inside torch.func, where the branch
#   cannot look at values.
# Source: linalg_det_backward and linalg_det_jvp in torch's FunctionsManual.cpp; ad - bc.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python - <<'PY'
import torch
from torch.func import grad, hessian, jacfwd

print("torch", torch.__version__)
print("expected: gradient of ad - bc is (d, -c, -b, a), whichever way it is asked for")
det = torch.linalg.det
ones = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
(plain,) = torch.autograd.grad(det(ones), ones)
(again,) = torch.autograd.grad(det(ones), ones, create_graph=True)
forward, func = jacfwd(det)(ones.detach()), grad(det)(ones.detach())
for name, found in (
    ("autograd.grad", plain),
    ("with create_graph", again.detach()),
    ("torch.func.grad", func),
    ("torch.func.jacfwd", forward),
):
    print(f"seen, all ones, {name:17s}:", [round(v, 9) + 0.0 for v in found.flatten().tolist()])
true = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
assert not plain.any() and not forward.any()
assert (again - true).abs().max() < 1e-12 and (func - true).abs().max() < 1e-12

print("expected: its Hessian is made of 0, 1 and -1, everywhere")
for name, at in (("identity", [[1.0, 0.0], [0.0, 1.0]]), ("diag(1, 2)", [[1.0, 0.0], [0.0, 2.0]])):
    point = torch.tensor(at, dtype=torch.float64)
    old, new = torch.autograd.functional.hessian(det, point), hessian(det)(point)
    for way, found in (("torch.autograd", old), ("torch.func", new)):
        print(f"seen, {name:10s} {way:14s}:", [v + 0.0 for v in found.flatten().tolist()][:8])
    assert old[0, 0, 1, 1] == 1 and old[0, 1, 1, 0] == -1
    assert new.isnan().all() if name == "identity" else torch.equal(new, old)
PY
echo "as described"
