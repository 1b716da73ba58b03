#!/usr/bin/env bash
# What: with one seed, `torch.randn(n)` is not the beginning of `torch.randn(n + 1)`. Up to 15 values
#   come from one algorithm and 16 or more from another, so 15 and 16 have no value in common. Where
#   the length is no multiple of 16 the last 16 values are drawn anew, so 16 and 17 have one, 32 and
#   33 have 17, and elsewhere two values near the end differ.
# Why it matters here: "the same seed at width 64 and 65" are two unrelated nets, and a wider net is
#   not the narrow one with neurons added; comparisons over widths need draws unit by unit.
# Source: torch, the CPU kernel of normal_ fills blocks of 16 (Box-Muller) and refills the tail.
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import numpy
import torch


def draw(n):
    return torch.randn(n, generator=torch.Generator().manual_seed(0))


print("torch", torch.__version__, "numpy", numpy.__version__)
print("expectation: the n values of randn(n) are the first n of randn(n + 1), as in numpy")
for n, shared in {15: 0, 16: 1, 20: 18, 32: 17}.items():
    ours, theirs = draw(n), draw(n + 1)[:n]
    a = numpy.random.default_rng(0).standard_normal(n)
    b = numpy.random.default_rng(0).standard_normal(n + 1)[:n]
    same = int((ours == theirs).sum())
    print(f"seen: n = {n}: {same} of {n} values are the same; numpy {int((a == b).sum())}")
    assert same == shared and (a == b).all()
PY
echo "as described"
