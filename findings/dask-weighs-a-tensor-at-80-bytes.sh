#!/usr/bin/env bash
# What: for Dask a torch tensor weighs 80 bytes, whatever it holds, and a module 56; a numpy array
#   weighs what it holds. So a worker full of tensors reports no managed memory, spills nothing, and
#   chooses where to run a task as if moving a gigabyte cost nothing.
# Why it matters here: Gram blocks or weights kept on a cluster as tensors run it out of memory below
#   the limits that were set; as numpy arrays they do not.
# Source: dask.sizeof has entries for numpy, pandas, scipy and others, none for torch, although
#   distributed has serialisers for torch.
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6 distributed==2026.7.1 dask==2026.7.1
python - <<'PY'
import dask
import numpy
import torch
from dask.sizeof import sizeof

print("torch", torch.__version__, "dask", dask.__version__)
print("expectation: a tensor of a million float64 weighs about 8 million bytes, like an array")
tensor, array = torch.zeros(10**6, dtype=torch.float64), numpy.zeros(10**6)
print("seen: tensor", sizeof(tensor), "array", sizeof(array), "list of both", sizeof([tensor, array]))
print("seen: module of a million weights", sizeof(torch.nn.Linear(1000, 1000)))
assert sizeof(tensor) < 1000 and sizeof(array) >= 8 * 10**6
assert sizeof(torch.nn.Linear(1000, 1000)) < 1000
PY
echo "as described"
