#!/usr/bin/env bash
# What: the square attack, one of the four of AutoAttack, never moves the last row and the last column
#   of an image by a square of its own: there only the stripes of the start stand. Below, a
#   linear model looks at two pixels of the last column. One gradient step flips it; thousands of
#   queries do not change its output once, in torchattacks and in ART alike.
# Why: the corner of a square of side s is drawn from 0 to h - s with the upper end left out, so that
#   the square that ends at the border is never drawn.
# Why it matters: on 28 x 28 images of digits nobody sees it, on small images (s = 1 at the end) it
#   takes a whole share of the coordinates out of a black-box test.
# Source: random_int(0, h - s) in torchattacks/attacks/square.py; numpy.random.randint(0, height -
#   height_tile) in art/attacks/evasion/square_attack.py; both documented as half-open.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -qq --no-compile torch==2.13.0 torchvision==0.28.0 numpy==2.4.6 torchattacks==3.5.1 \
  adversarial-robustness-toolbox==1.20.1 packaging==26.4  # which ART needs, and does not name
env/bin/python -W ignore - <<'PY'
import logging

import numpy as np
import torch

logging.disable(logging.CRITICAL)
import torchattacks
from art.attacks.evasion import SquareAttack
from art.estimators.classification import PyTorchClassifier
from importlib.metadata import version

print("torchattacks", version("torchattacks"), "ART", version("adversarial-robustness-toolbox"))
print("expected: in 2000 queries every pixel is tried, and the two that matter are found")
torch.manual_seed(0)
np.random.seed(0)


class TwoPixels(torch.nn.Module):
    """Class 0 while the last column's fifth pixel is at most 0.05 above its sixth."""

    def __init__(self):
        super().__init__()
        self.asked, self.unused = [], torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        self.asked.append(x.detach().clone())
        score = 0.05 - (x[:, 0, 4, 5] - x[:, 0, 5, 5])
        return torch.stack([score, -score], 1)


def report(name, model, found):
    asked = [x for x in model.asked if x.shape == (1, 1, 6, 6)][3:]
    tried = torch.cat(asked)[:, 0]
    moved = (tried.amax(0) - tried.amin(0)) > 1e-3
    flips = int(model(torch.as_tensor(found)).argmax())
    print(f"seen: {name}: class {flips} after {len(asked)} queries; pixels tried (#):")
    print("\n".join("   " + "".join("#" if m else "." for m in row) for row in moved.tolist()))
    assert flips == 0 and len(asked) >= 2000 and not moved[5].any() and not moved[:, 5].any()
    assert moved[:5, :5].all()


x, y = torch.full((1, 1, 6, 6), 0.5), torch.tensor([0])
model = TwoPixels()
step = torchattacks.FGSM(torch.nn.Sequential(model), eps=0.1)(x.requires_grad_(), y)
print("seen: one gradient step (FGSM): class", int(model(step).argmax()))
assert int(model(step).argmax()) == 1
x = x.detach()
model = TwoPixels()
attack = torchattacks.Square(model, norm="Linf", eps=0.1, n_queries=2100, n_restarts=1)
report("torchattacks", model, attack(x, y))
model = TwoPixels()
classifier = PyTorchClassifier(
    model, loss=torch.nn.CrossEntropyLoss(), input_shape=(1, 6, 6), nb_classes=2, clip_values=(0, 1)
)
attack = SquareAttack(classifier, norm=np.inf, eps=0.1, max_iter=2100, nb_restarts=1, verbose=False)
report("ART", model, attack.generate(x.numpy(), y.numpy()))
PY
echo "as described"
