#!/usr/bin/env bash
# What: torch's 1-norm of a float32 vector of a million entries 0.1 is 1 % too large, of ten million
#   9 % too large, of thirty million 30 % too small: at 2^21 it stops growing. x.abs().sum() of the
#   same vectors is right to 1e-5. Equal entries are the worst case, since their rounding errors do
#   not cancel. get_total_norm, and so clip_grad_norm_, with norm_type=1 has the same fault.
# Why: sums are cascaded, so that errors grow with the logarithm of the length; norms other than 2 run
#   through one float32 accumulator, which stops growing when an entry is below half its last digit.
# Source: norm_kernel and sum_kernel in torch's CPU kernels (ReduceOpsKernel.cpp, SumKernel.cpp).
#   One thread; each further thread has an accumulator of its own and moves the point to longer vectors.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python - <<'PY'
import torch

torch.set_num_threads(1)
print("torch", torch.__version__)
print("expected: the 1-norm is as good as the sum of absolute values")
for n in (10**6, 10**7, 3 * 10**7):
    x = torch.full((n,), 0.1)
    exact = float(x.double().sum())
    total = float(x.abs().sum()) / exact
    norm = float(torch.linalg.vector_norm(x, 1)) / exact
    clip = float(torch.nn.utils.get_total_norm([x], 1.0)) / exact
    print(f"seen, {n:8d} times 0.1, in shares of the truth: abs().sum() {total:.6f},", end=" ")
    print(f"vector_norm(x, 1) {norm:.6f}, get_total_norm {clip:.6f}")
    assert abs(total - 1) < 1e-5 and abs(norm - 1) > 1e-4 and clip == norm
assert norm < 0.75
stuck = torch.linalg.vector_norm(x, 1)
longer = torch.linalg.vector_norm(torch.cat([x, x]), 1)
print("seen: 1-norm of thirty million", stuck.item(), "and of sixty million", longer.item())
assert stuck == longer == 2**21
PY
echo "as described"
