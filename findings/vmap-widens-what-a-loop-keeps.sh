#!/usr/bin/env bash
# What: a number held in a float64 tensor without axes does not widen a float32 tensor. Under vmap,
#   where the function sees the same shapes, that still holds for products and sums, but no more for
#   clamp, where and addcmul: they return float64; and lerp raises. So projecting each example to a
#   radius of its own, clamp(d, -r, r), turns a float32 attack into float64, example by example not.
# Why: a batched number has an axis underneath, and then takes part in type promotion. The rules for
#   arithmetic restore its rank as the function sees it; those of the other operators were not given
#   that care.
# Source: torch.func's batching rules (BatchRulesBinaryOps.cpp: handleScalarTypePromotion).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env && env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6
env/bin/python - <<'PY'
import torch

print("torch", torch.__version__)
print("expected: vmap returns what a loop over the examples returns, dtype included")
radii = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
moves = torch.randn(3, 5)
steps = {
    "mul": lambda r, d: r * d,
    "maximum": lambda r, d: torch.maximum(d, r),
    "clamp": lambda r, d: torch.clamp(d, -r, r),
    "where": lambda r, d: torch.where(d > 0, d, r),
    "addcmul": lambda r, d: torch.addcmul(d, d, r),
    "lerp": lambda r, d: torch.lerp(d, 2 * d, r),
}
seen = {}
for name, step in steps.items():
    looped = torch.stack([step(r, d) for r, d in zip(radii, moves)])
    try:
        mapped = str(torch.func.vmap(step)(radii, moves).dtype)
    except RuntimeError as error:
        mapped = f"RuntimeError: {error}"
    print(f"seen: {name:8s} loop {looped.dtype}, vmap {mapped}")
    assert looped.dtype == torch.float32
    seen[name] = mapped
assert seen["mul"] == seen["maximum"] == "torch.float32"
assert seen["clamp"] == seen["where"] == seen["addcmul"] == "torch.float64"
assert seen["lerp"].startswith("RuntimeError")
PY
echo "as described"
