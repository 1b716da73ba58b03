#!/usr/bin/env bash
# What: torch.nn.utils.vector_to_parameters does not copy: each parameter becomes a view of the
#   vector. An optimiser that changes the parameters in place changes the vector too.
# Why it matters here: whoever puts a net back to its start W_0 by that function, trains it and asks
#   how far it has come from W_0, reads 0, whatever the training did; and two nets that are filled
#   from one vector are one net. parameters_to_vector, its partner, does copy.
# Source: torch.nn.utils.vector_to_parameters, whose documentation says that the vector is "copied".
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

print("torch", torch.__version__)
print("expectation: the start is a vector of its own, so the distance from it grows in training")
torch.manual_seed(0)
net, twin = torch.nn.Linear(5, 1), torch.nn.Linear(5, 1)
start = parameters_to_vector(net.parameters()).detach().clone()
before = start.clone()
vector_to_parameters(start, net.parameters())
vector_to_parameters(start, twin.parameters())
net(torch.ones(4, 5)).square().mean().backward()
torch.optim.SGD(net.parameters(), lr=0.1).step()
weights = parameters_to_vector(net.parameters()).detach()
print("seen: distance from the start", float((weights - start).norm()))
print("seen: distance from a copy that was made before", float((weights - before).norm()))
print("seen: the other net has moved too:", torch.equal(twin.weight, net.weight))
assert torch.equal(weights, start) and not torch.equal(weights, before)
assert torch.equal(twin.weight, net.weight)
PY
echo "as described"
