#!/usr/bin/env bash
# What: torch.sign and torch.sgn of NaN are 0; numpy's sign of NaN is NaN. A step of a sign gradient
#   method whose gradient is NaN is therefore no step at all, and nothing later is NaN.
# Why it matters here: an attack on a model whose gradient has overflowed leaves its examples where
#   they are, and the report says "robust". A check for finite points after the attack finds nothing;
#   the gradient has to be checked before its sign is taken.
# Source: torch.sign, whose documentation names -1, 0 and 1; numpy.sign, which says "nan is returned
#   for nan inputs".
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import numpy
import torch

print("torch", torch.__version__, "numpy", numpy.__version__)
print("expectation: the sign of NaN is NaN, and so is a point that has taken such a step")
nan = torch.full((40,), float("nan"))
x = torch.ones(3, requires_grad=True)
loss = ((x * 0) / (x * 0).sum()).sum()  # 0/0
(gradient,) = torch.autograd.grad(loss, x)
step = x.detach() + 0.1 * gradient.sign()
print("seen: torch.sign", nan.sign().unique(), "torch.sgn", nan.sgn().unique())
print("seen: gradient", gradient, "point after the step", step)
print("seen: numpy.sign", numpy.sign(numpy.nan))
assert gradient.isnan().all() and (nan.sign() == 0).all() and (nan.sgn() == 0).all()
assert torch.equal(step, x.detach()) and numpy.isnan(numpy.sign(numpy.nan))
PY
echo "as described"
