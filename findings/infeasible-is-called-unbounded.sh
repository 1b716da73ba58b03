#!/usr/bin/env bash
# What: x - y = 1 and x - y = 2 cannot both hold. Asked for the least -x under them, cvxpy's default
#   solver CLARABEL and SCS answer "unbounded", value minus infinity; HIGHS, OSQP and scipy answer
#   "infeasible", value infinity. So a margin may be reported as endless where no point satisfies
#   the constraints at all.
# Why: both the problem and its dual are infeasible, and a solver stops at the first certificate.
#   That of the dual is a direction, (1, 1), along which the objective falls and the left sides do not
#   change; it says "unbounded, if feasible", and the condition is not checked.
# Source: the solvers' certificates of dual infeasibility; cvxpy translates them to "unbounded".
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -qq --no-compile cvxpy==1.9.3 clarabel==0.11.1 scs==3.3.1 osqp==1.1.3 highspy==1.15.1 \
  scipy==1.17.1 numpy==2.4.6
env/bin/python -W ignore - <<'PY'
from importlib.metadata import version

import cvxpy as cp

print(", ".join(f"{p} {version(p)}" for p in ("cvxpy", "clarabel", "scs", "osqp", "highspy", "scipy")))
print("expected: infeasible, since no (x, y) satisfies the constraints")
seen = {}
for solver in ("CLARABEL", "SCS", "HIGHS", "OSQP", "SCIPY"):
    z = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(-z[0]), [z[0] - z[1] == 1, z[0] - z[1] == 2])
    problem.solve(solver=solver)
    seen[solver] = problem.status
    print(f"seen: {solver:8s} {problem.status:10s} value {problem.value}")
z = cp.Variable(2)
problem = cp.Problem(cp.Minimize(0), [z[0] - z[1] == 1, z[0] - z[1] == 2])
problem.solve()
print("seen: CLARABEL with objective 0:", problem.status)
assert seen["CLARABEL"] == seen["SCS"] == "unbounded" and problem.status == "infeasible"
assert seen["HIGHS"] == seen["OSQP"] == seen["SCIPY"] == "infeasible"
PY
echo "as described"
