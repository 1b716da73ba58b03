"""Assignment 3: right answers, and typical wrong ones with the hint for each."""

import torch


def play(gradients, radius, step, *, sign=-1, late=False, back=None):
    def shorten(w):
        return w if w.norm() <= radius else radius * w / w.norm()

    here, moves = torch.zeros_like(gradients[0]), []
    for g in gradients:
        after = (back or shorten)(here + sign * step * g)
        moves.append(after if late else here)
        here = after
    return torch.stack(moves)


def box(gradients, radius, step):
    return play(gradients, radius, step, back=lambda w: w.clamp(-radius, radius))


def to_rim(gradients, radius, step):
    def back(w):
        return radius * w / w.norm() if float(w.norm()) else w

    return play(gradients, radius, step, back=back)


def short_steps(gradients, radius, step):
    here, moves = torch.zeros_like(gradients[0]), []
    for g in gradients:
        moves.append(here)
        change = -step * g
        here = here + change * min(1.0, radius / max(float(change.norm()), 1e-300))
    return torch.stack(moves)


def regret_by_hand(gradients, moves, radius):
    total = gradients.sum(0)
    size = float(total.norm())
    best = -radius * total / size if size else total
    return sum(float(g @ (w - best)) for g, w in zip(gradients, moves, strict=True))


def paid(gradients, moves):
    return (gradients * moves).sum()


def step_by_hand(
    W, a, x, y, eps, step, *, attack=1, up=-1, mean=True, clean=False, root=True
):
    n, m = len(x), len(a)
    scale = m**0.5 if root else 1.0

    def slopes(points):
        hidden = torch.tanh(points @ W.T)
        outer = -y / (1 + torch.exp(y * (hidden @ a / scale)))
        return outer[:, None] * a * (1 - hidden**2) / scale

    z = x if clean else x + attack * eps * torch.sign(slopes(x) @ W)
    return W + up * step * slopes(z).T @ z / (n if mean else 1)


def late_signs(T):
    root = round(T**0.5)
    return [-1.0] * root + [(-1.0) ** t for t in range(T - 2 * root)] + [1.0] * root


RIGHT = {
    "3.2": [play],
    "3.3": [regret_by_hand],
    "3.4": [step_by_hand],
    "3.5": [
        lambda T: torch.tensor(
            [1.0 if t % 2 or t >= T - round(T**0.5) else -1 for t in range(T)]
        )
    ],
}
WRONG = {
    "3.2": [
        (lambda *q: play(*q, late=True), "before the gradient is seen"),
        (lambda *q: play(*q, sign=1), "gone down, not up"),
        (lambda *q: play(*q, back=lambda w: w), "goes back to the ball"),
        (box, "shorten w as a whole"),
        (short_steps, "it is w that is projected"),
        (to_rim, "stays where it is"),
    ],
    "3.3": [
        (lambda g, w, radius: paid(g, w), "comparator may choose"),
        (
            lambda g, w, radius: paid(g, w) - radius * g.sum(0).norm(),
            "less what the best",
        ),
        (
            lambda g, w, radius: paid(g, w) + radius * g.norm(dim=1).sum(),
            "one point for all",
        ),
        (
            lambda g, w, radius: (paid(g, w) + radius * g.sum(0).norm()) / len(g),
            "not their mean",
        ),
        (
            lambda g, w, radius: paid(g, w) + radius * g.sum(0).abs().sum(),
            "times |sum g|",
        ),
        (
            lambda g, w, radius: paid(g, w) + radius**2 * g.sum(0).norm(),
            "end of the ball",
        ),
    ],
    "3.4": [
        (lambda *q: step_by_hand(*q, up=1), "go down the gradient"),
        (lambda *q: step_by_hand(*q, mean=False), "a mean over points"),
        (lambda *q: step_by_hand(*q, clean=True), "attack first"),
        (lambda *q: step_by_hand(*q, attack=-1), "goes up the loss in x"),
        (lambda *q: step_by_hand(*q, root=False), "factor m^(-1/2)"),
    ],
    "3.5": [
        (lambda T: [1] * T, "soon where the comparator is"),
        (lambda T: [(-1) ** t for t in range(T)], "comparator earns nothing"),
        (late_signs, "hesitate first"),
        (lambda T: [0] * T, "is +1 or -1"),
        (lambda T: [1, -1, 1], "a list of 16 signs"),
    ],
}
