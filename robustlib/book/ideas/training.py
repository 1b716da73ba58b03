"""Ideas of training: the game, the two losses, the tangent, twins, and the potential."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from robustlib.book.ideas.picture import BLUE, GREEN, GREY, ORANGE, arrow, sheet


def game() -> Figure:
    """Two boxes with arrows around. The learner plays weights. The attack answers with points
    inside the perturbation sets, which make a convex loss. A gradient step on this loss gives the
    learner's next weights.
    """
    figure, ax = sheet(6.4, 2.7, x=(0, 6.4), y=(0, 2.7))
    for left, color, name, move in (
        (0.2, BLUE, "learner", "weights $W_t$"),
        (4.3, ORANGE, "attack", "points x′ᵢ in B(xᵢ)"),
    ):
        box = FancyBboxPatch((left, 0.95), 1.9, 0.8, "round,pad=0.05", ec=color, fc="none", lw=2)
        ax.add_patch(box)
        ax.text(left + 0.95, 1.5, name, ha="center", va="center", weight="bold", color=color)
        ax.text(left + 0.95, 1.15, move, ha="center", va="center", fontsize=11)
    arrow(ax, (1.4, 1.9), (5.0, 1.9), BLUE, connectionstyle="arc3,rad=-0.2")
    arrow(ax, (5.0, 0.8), (1.4, 0.8), ORANGE, connectionstyle="arc3,rad=-0.2")
    ax.text(3.2, 2.4, "plays", ha="center")
    ax.text(3.2, 0.1, "step: $W_{t+1}=W_t-α\\,∇\\ell_t(W_t)$", ha="center")
    ax.text(3.2, 0.6, "answers: the loss $\\ell_t$", ha="center")
    return figure


def losses() -> Figure:
    """An axis of loss with four marks in this order: the loss at the data, the surrogate loss at
    what the attack found, the robust loss, and a certified bound. Between surrogate and robust loss
    lies what the attack missed; between robust loss and bound what the proof gives away.
    """
    figure, ax = sheet(6.4, 1.9, x=(0, 6.4), y=(-0.9, 1.0))
    arrow(ax, (0.1, 0), (6.3, 0))
    ax.text(6.3, -0.3, "loss", ha="right")
    marks = (
        (0.7, "at the data", "black"),
        (2.2, "surrogate $L_A$", BLUE),
        (3.9, "robust $L_*$", ORANGE),
        (5.4, "certified", GREEN),
    )
    for place, name, color in marks:
        ax.plot([place, place], [-0.12, 0.12], "-", color=color, lw=4)
        ax.text(place, 0.27, name, ha="center", color=color)
    for left, right, name in ((2.2, 3.9, "missed by the attack"), (3.9, 5.4, "lost in the proof")):
        arrow(ax, (left, -0.35), (right, -0.35), GREY, arrowstyle="<->")
        ax.text((left + right) / 2, -0.7, name, ha="center", fontsize=10)
    return figure


def tangent() -> Figure:
    """The output of the network over the weights, along one direction: a curve, and its tangent at
    the start. Within the distance R the two are nearly the same; the gap at the ends is of the
    order R squared over the root of the width.
    """
    figure, ax = sheet(6.0, 3.0, x=(-3.2, 3.6), y=(-1.5, 1.9))
    w = np.linspace(-3, 3, 121)
    ax.axvspan(-1.2, 1.2, color=BLUE, alpha=0.12, lw=0)
    ax.plot(w, 0.4 * w + 0.09 * w**2, "-", color=BLUE)
    ax.plot(w, 0.4 * w, "--", color=ORANGE)
    ax.plot(0, 0, "o", color="black")
    ax.plot([1.2, 1.2], [0.48, 0.61], "-", color=GREEN, lw=3)
    ax.text(2.1, 1.5, "network", ha="right", color=BLUE)
    ax.text(2.0, 0.45, "tangent", color=ORANGE)
    ax.text(1.3, -0.1, "gap ~ $R^2/\\sqrt{m}$", color=GREEN)
    ax.text(0.08, -0.35, "$W_0$")
    arrow(ax, (-1.2, -1.0), (1.2, -1.0), arrowstyle="<->")
    ax.text(0, -1.4, "weights within $R$ of $W_0$", ha="center")
    return figure


def twins() -> Figure:
    """Left, in the space of weights, two units that start at the same place with opposite signs
    move in nearly opposite directions. Right, over the distance moved, the output of one bends up
    and that of the other bends down; their sum is nearly a straight line.
    """
    figure = Figure(figsize=(6.4, 2.8))
    left, right = figure.subplots(1, 2)
    left.set(xlim=(-1.6, 1.6), ylim=(-1.3, 1.3), aspect="equal", title="two units, one start")
    left.axis("off")
    for side, color, name in ((1, BLUE, "$a=+1$"), (-1, ORANGE, "$a=-1$")):
        arrow(left, (0, 0), (1.1 * side, 0.6 * side + 0.1), color, linewidth=2)
        left.text(1.15 * side, 0.9 * side + 0.05, name, ha="center", va="center", color=color)
    left.plot(0, 0, "o", color="black")
    left.text(0.1, -0.3, "$w$")
    u = np.linspace(0, 1, 41)
    right.plot(u, 0.5 * u + 0.5 * u**2, "-", color=BLUE, label="$a=+1$")
    right.plot(u, 0.5 * u - 0.45 * u**2, "--", color=ORANGE, label="$a=-1$")
    right.plot(u, u + 0.05 * u**2, "-.", color=GREEN, label="sum")
    right.set(xticks=[0], yticks=[0], xlabel="distance moved", ylabel="change of the output")
    right.legend(fontsize=10)
    return figure


def potential() -> Figure:
    """The space of weights. The path starts at W_0 on a circle of radius R around W_*, and comes
    nearer to W_* at every step while the gap is open. Around W_* is a region where the gap is
    closed; there the attack may push the weights away again.
    """
    figure, ax = sheet(5.0, 4.7, x=(-2.6, 2.6), y=(-2.8, 2.1))
    ax.add_patch(Circle((0, 0), 2, fill=False, ec=GREY, ls="--", lw=1.5))
    ax.add_patch(Circle((0, 0), 0.75, fc=GREEN, alpha=0.15, lw=0))
    turn = np.linspace(2.6, 4.3, 12)
    radius = np.linspace(2, 0.72, 12)
    path = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    ax.plot(*path.T, "-o", color=BLUE, ms=4)
    later = np.array([path[-1], (-0.1, -0.35), (0.35, -0.45), (0.5, -0.1)])
    ax.plot(*later.T, ":o", color=BLUE, ms=4)
    ax.plot(0, 0, "*", ms=12, color=ORANGE)
    ax.text(0.12, 0.12, "$W_*$", color=ORANGE)
    ax.text(path[0, 0] - 0.1, path[0, 1] + 0.1, "$W_0$", ha="right")
    ax.text(0, 1.05, "gap closed", ha="center", color=GREEN)
    ax.text(-2.3, -2.6, "gap open: every\nstep comes nearer", color=BLUE)
    arrow(ax, (0, 0), (1.7, 1.05), GREY)
    ax.text(1.15, 0.4, "$R$", color=GREY)
    return figure
