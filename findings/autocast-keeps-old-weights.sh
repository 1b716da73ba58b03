#!/usr/bin/env bash
# What: inside one autocast block torch casts each weight once and keeps the cast. A weight that is
#   changed in place afterwards, by an optimiser say, is not cast again: the model goes on computing
#   with its first weights, the loss stays the same for ever, and so does each gradient, until the
#   block is left. No warning is given.
# Why it matters here: a training loop written inside `with torch.autocast(...)`, and not the other
#   way round, looks as if the step size were too small, while the weights run away.
# Source: torch, "Automatic Mixed Precision": the cast of a leaf that needs a gradient is cached
#   (`cache_enabled`, `clear_autocast_cache`).
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import torch

print("torch", torch.__version__)
print("expectation: five steps of gradient descent print five different losses")
torch.manual_seed(0)
net = torch.nn.Linear(8, 1)
start = net.weight.detach().clone()
x, y = torch.randn(64, 8), torch.randn(64, 1)
descent = torch.optim.SGD(net.parameters(), lr=0.05)


def step():
    descent.zero_grad()
    loss = (net(x).float() - y).square().mean()
    loss.backward()
    descent.step()
    return float(loss.detach())


with torch.autocast("cpu", dtype=torch.bfloat16):
    inside = [step() for _ in range(5)]
moved = float((net.weight.detach() - start).norm())
print("seen, steps inside one block:    ", inside, f"; the weights have moved by {moved:.2f}")
outside = []
for _ in range(5):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outside.append(step())
print("seen, a block for each step:     ", outside)
assert len(set(inside)) == 1 and moved > 0.1 and len(set(outside)) == 5
PY
echo "as described"
