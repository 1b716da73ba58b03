#!/usr/bin/env bash
# What: a network that uses one weight twice keeps it so as an argument of a Dask task, and as a
#   result that is used on the worker that made it. Scattered, gathered, or taken to another worker
#   it comes back with two weights of equal value instead of one, which an
#   optimiser then moves apart. Whether that happens depends on where the scheduler ran the task.
# Why: arguments are pickled, and pickle keeps identity. Data that move go through distributed's own
#   serialisers, which take a module apart and send each tensor by itself.
# Source: distributed/protocol/torch.py: register_generic(torch.nn.Module).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -qq --no-compile torch==2.13.0 numpy==2.4.6 distributed==2026.7.1 dask==2026.7.1
cat >tied.py <<'PY'
import torch


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
        self.last.weight = self.first.weight


def build():
    return Tied()


def count(net):
    weights = len(list(net.parameters())) - 2
    return weights, net.first.weight is net.last.weight
PY
cat >ask.py <<'PY'
import distributed
import torch
from tied import Tied, build, count

if __name__ == "__main__":
    print("torch", torch.__version__, "distributed", distributed.__version__)
    print("expected: one weight, used twice, on every way; without its two biases: (1, True)")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        one, other = client.scheduler_info()["workers"]
        net = client.submit(build, workers=[one])
        ways = {
            "here": count(Tied()),
            "as an argument": client.submit(count, Tied(), pure=False).result(timeout=60),
            "on the worker that built it": client.submit(count, net, workers=[one]).result(timeout=60),
            "on another worker": client.submit(count, net, workers=[other]).result(timeout=60),
            "gathered": count(net.result(timeout=60)),
            "scattered": client.submit(count, client.scatter(Tied())).result(timeout=60),
        }
    for way, seen in ways.items():
        print(f"seen: {way:28s}", seen)
    assert [w[0] for w in ways.values()] == [1, 1, 1, 2, 2, 2], ways
    assert [w[1] for w in ways.values()] == [True, True, True, False, False, False], ways
PY
PYTHONPATH=. env/bin/python -W ignore ask.py 2>errors.txt || { cat errors.txt; exit 1; }
echo "as described"
