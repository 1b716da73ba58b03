#!/usr/bin/env bash
# What: minimise s |x|^2 subject to a.x >= 1 for s = 1, 1e-6, 1e-9, 1e-12. The point is the same for
#   every s. Clarabel, SCS and OSQP all answer "optimal"; at s = 1e-6 the worst of the three values
#   is more than twice the least, at 1e-12 more than ten times: their tolerances are absolute, and
#   any feasible point of a small objective is within them. No warning is given.
# Why it matters here: losses averaged over many examples, norms of a comparator weighted by a small
#   constant, or a bound in small units are such objectives. A status proves nothing: the dual value
#   has to be evaluated, or the objective scaled to about 1.
# Source: the solvers' own settings (tol_gap_abs, eps_abs); cvxpy does not scale objectives.
. "$(dirname "$0")/fresh.sh"
fresh cvxpy==1.9.3 clarabel==0.11.1 scs==3.3.1 osqp==1.1.3 numpy==2.4.6 scipy==1.17.1
python - <<'PY'
import cvxpy
import numpy

print("cvxpy", cvxpy.__version__)
print("expectation: the minimiser of s |x|^2 does not depend on s, or the status says so")
a = numpy.array([1.0, 2.0, 3.0])
worst = {}
for s in (1.0, 1e-6, 1e-9, 1e-12):
    for solver in ("CLARABEL", "SCS", "OSQP"):
        x = cvxpy.Variable(3)
        problem = cvxpy.Problem(cvxpy.Minimize(s * cvxpy.sum_squares(x)), [a @ x >= 1])
        problem.solve(solver=solver)
        ratio = float(x.value @ x.value) * float(a @ a)  # over the least value, 1 / |a|^2
        print(f"seen: s = {s:.0e} {solver:9} {problem.status}: |x|^2 is {ratio:.3g} times the least")
        assert problem.status == "optimal" and a @ x.value > 0.99
        worst[s] = max(worst.get(s, 0.0), ratio)
assert worst[1.0] < 1.001 and worst[1e-6] > 2 and worst[1e-12] > 10
PY
echo "as described"
