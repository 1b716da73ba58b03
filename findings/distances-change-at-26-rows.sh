#!/usr/bin/env bash
# What: torch.cdist works by differences up to 25 rows, and from 26 on by products, |a|^2 + |b|^2 -
#   2 a.b. The distance of a point from itself is then not 0, and a distance below about 3e-4 in
#   float32 (1e-8 in float64) of points of norm 1 is noise: among 26 points, not among 25.
# Why it matters here: separations of sets, nearest neighbours of other labels, twins of neurons and
#   antipodal points are small distances among many points; a test with ten rows sees nothing.
# Source: torch.cdist, compute_mode "use_mm_for_euclid_dist_if_necessary": "if P > 25 or R > 25".
. "$(dirname "$0")/fresh.sh"
fresh torch==2.13.0 numpy==2.4.6
python - <<'PY'
import torch

print("torch", torch.__version__)
print("expectation: the distance of two points does not depend on how many others there are")
torch.manual_seed(0)
x = torch.nn.functional.normalize(torch.randn(26, 50), dim=1)
y = x.clone()
y[0, 0] += 1e-5
true = float((x[0] - y[0]).norm())
few, many = float(torch.cdist(x[:25], y[:25])[0, 0]), float(torch.cdist(x, y)[0, 0])
print(f"seen: true {true:.3e}, among 25 rows {few:.3e}, among 26 rows {many:.3e}")
noise = torch.cdist(x, x).diagonal()
print(f"seen: a point from itself: at most {float(noise.max()):.1e} among 26 rows")
exact = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
assert abs(few / true - 1) < 1e-4 and abs(many / true - 1) > 1e-2 and noise.max() > 1e-5
assert abs(float(exact[0, 0]) / true - 1) < 1e-4
PY
echo "as described"
