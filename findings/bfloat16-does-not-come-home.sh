#!/usr/bin/env bash
# What: a bfloat16 tensor can be sent to a Dask worker as an argument, and added up there. As a result
#   it cannot come back: gathering it raises TypeError, while float16 comes back. There is no
#   fall-back to pickle, which could do it, and which did it on the way there.
# Why: arguments are pickled with their task. Results go through distributed's serialiser for
#   tensors, which goes through numpy, and numpy has no bfloat16. A serialiser that raises ends the
#   search; only a type without one is pickled.
# Source: distributed/protocol/torch.py (t.numpy()) and serialize.py (the loop over serialisers).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6 distributed==2026.7.1 dask==2026.7.1
cat >ask.py <<'PY'
import pickle

import distributed
import torch


def make(dtype):
    return torch.ones(3, dtype=dtype)


def total(tensor):
    return float(tensor.sum())


if __name__ == "__main__":
    print("torch", torch.__version__, "distributed", distributed.__version__)
    print("expected: what can go to a worker can come back, and what pickle can send is sent")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        sent = client.submit(total, make(torch.bfloat16)).result(timeout=60)
        print("seen: bfloat16 to a worker, added up there:", sent)
        back = {}
        for dtype in (torch.float16, torch.bfloat16):
            try:
                back[dtype] = str(client.submit(make, dtype).result(timeout=60))
            except TypeError as error:
                back[dtype] = f"TypeError: {str(error).splitlines()[0]}"
            print(f"seen: {dtype} as a result:", back[dtype])
    through = pickle.loads(pickle.dumps(make(torch.bfloat16)))
    print("seen: bfloat16 through pickle:", through)
    assert sent == 3.0 and torch.equal(through, make(torch.bfloat16))
    assert back[torch.float16].startswith("tensor") and back[torch.bfloat16].startswith("TypeError")
PY
env/bin/python -W ignore ask.py 2>errors.txt || { cat errors.txt; exit 1; }
echo "as described"
