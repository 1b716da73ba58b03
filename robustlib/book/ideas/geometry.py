"""Ideas of geometry: dual norm, caps, the wedge, the lift, degrees, the zigzag, the triangle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle, Wedge

from robustlib.book.ideas.picture import BLUE, GREEN, GREY, ORANGE, arrow, sheet


def on_circle(degrees: Any) -> tuple[Any, Any]:
    turn = np.deg2rad(degrees)
    return np.cos(turn), np.sin(turn)


def dual_norm() -> Figure:
    """A square around x, the ball of the maximum norm, with an arrow w from its centre. Dashed
    lines at right angles to w join points of equal output. The last of them that meets the square
    touches it in a corner, the worst point; its value is the radius times the dual norm of w.
    """
    figure, ax = sheet(5.4, 3.6, x=(-2.4, 3.6), y=(-1.7, 2.3))
    ax.add_patch(Rectangle((-1, -1), 2, 2, fc=BLUE, alpha=0.12, lw=0))
    ax.add_patch(Rectangle((-1, -1), 2, 2, fill=False, ec=BLUE, lw=2))
    w = np.array([0.8, 0.45])
    along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
    for level in (0.0, 0.625, 1.25):
        foot = level * w / (w @ w)
        ends = np.stack([foot - 1.3 * along, foot + 1.5 * along])
        ax.plot(*ends.T, "--", color=ORANGE if level == 1.25 else GREY, lw=1.5)
    arrow(ax, (0, 0), (0.8, 0.45), linewidth=2)
    ax.text(0.35, 0.4, "$w$")
    ax.text(-0.25, -0.3, "$x$")
    ax.plot([0, 1], [0, 1], "o", color="black")
    ax.text(1.15, 1.0, "worst point", va="center")
    ax.text(1.7, 0.15, "$f(x)+ε\\,\\|w\\|_1$", color=ORANGE)
    ax.text(-1, -1.5, "ball of the maximum norm", color=BLUE)
    return figure


def caps() -> Figure:
    """Two circles with two data points each, of different labels, and thick arcs for their caps.
    Left, the angle between the points is more than twice the angle of a cap, and the caps are
    apart. Right, it is less: the caps overlap, and no classifier is right on both.
    """
    figure, axes = sheet(6.4, 3.3, x=(-1.45, 1.45), y=(-1.3, 1.5), panels=2)
    for ax, half, title in zip(axes, (25, 45), ("apart", "they meet"), strict=True):
        ax.add_patch(Circle((0, 0), 1, fill=False, ec=GREY, lw=1))
        for centre, color, name, radius in ((125, BLUE, "+", 1.0), (55, ORANGE, "−", 1.03)):
            arc = radius * np.array(on_circle(np.linspace(centre - half, centre + half, 40)))
            ax.plot(*arc, "-", color=color, lw=5, alpha=0.8)
            point = np.array(on_circle(centre))
            ax.plot([0, point[0]], [0, point[1]], "-", color=GREY, lw=1)
            ax.plot(*point, "o", color="black")
            ax.text(*(1.2 * point), name, ha="center", va="center", color=color, weight="bold")
        ax.text(0, 0.32, "$φ$", ha="center")
        ax.text(0, -0.4, f"{title}:\n$φ{'>' if half < 35 else '<'}2θ$", ha="center", va="center")
    return figure


def wedge() -> Figure:
    """A circle of directions w with two inputs x and z at an angle θ. Each input switches a unit on
    in one half of the circle; both are on in the wedge where the halves overlap, which has the
    angle π − θ.
    """
    figure, ax = sheet(4.8, 4.0, x=(-1.7, 1.9), y=(-1.5, 1.5))
    for centre, color in ((0, BLUE), (60, ORANGE)):
        ax.add_patch(Wedge((0, 0), 1, centre - 90, centre + 90, fc=color, alpha=0.15, lw=0))
        arrow(ax, (0, 0), on_circle(centre), color, linewidth=2)
    ax.add_patch(Wedge((0, 0), 1, -30, 90, fill=False, ec=GREEN, lw=2.5))
    ax.add_patch(Circle((0, 0), 1, fill=False, ec=GREY, lw=1))
    ax.add_patch(Wedge((0, 0), 0.3, 0, 60, fill=False, ec="black", lw=1))
    ax.text(0.4, 0.17, "$θ$")
    ax.text(1.08, -0.05, "$x$", color=BLUE)
    ax.text(0.58, 0.95, "$z$", color=ORANGE)
    ax.text(0.95, -0.85, "both on:\nangle $π-θ$", color=GREEN)
    ax.text(-1.0, 1.15, "on for $z$ only", color=ORANGE, ha="center")
    ax.text(0.0, -1.3, "on for $x$ only", color=BLUE, ha="center")
    return figure


def lift() -> Figure:
    """Side view of the sphere with one more coordinate. Two opposite inputs x and −x lie on the
    equator, half a turn apart. Appending a constant lifts both to latitude 45 degrees; the lifted
    inputs are only a right angle apart, so that no input has an opposite any more.
    """
    figure, ax = sheet(5.2, 3.2, x=(-2.1, 2.1), y=(-0.6, 1.9))
    ax.plot(*on_circle(np.linspace(0, 180, 90)), "-", color=GREY, lw=1)
    ax.plot([-1, 1], [0, 0], "-", color=GREY, lw=1)
    for side, name in ((1, "x"), (-1, "−x")):
        high = (side / math.sqrt(2), 1 / math.sqrt(2))
        arrow(ax, (0, 0), high, BLUE, linewidth=2)
        bend = f"arc3,rad={0.3 * side}"
        arrow(ax, (side, 0.05), (1.02 * high[0], high[1]), GREY, connectionstyle=bend)
        ax.plot(side, 0, "o", color=ORANGE)
        ax.text(1.1 * side, -0.3, name, ha="center", color=ORANGE)
        ax.text(1.2 * high[0], 0.95, f"({name}, 1) / √2", ha="center", color=BLUE)
    ax.text(0, 0.3, "90°", ha="center")
    ax.text(0, 1.5, "constant coordinate", ha="center", fontsize=10)
    arrow(ax, (0, 1.05), (0, 1.42), GREY)
    return figure


def degrees() -> Figure:
    """Four circles with waves of degree 0 to 3 around them, solid blue where the wave is positive
    and dashed orange where it is negative. Degree k has 2 k changes of sign. For even degrees
    opposite points have the same sign, for odd ones opposite signs.
    """
    figure, axes = sheet(6.8, 2.3, x=(-1.5, 1.5), y=(-1.9, 1.5), panels=4)
    turn = np.linspace(0, 360, 721)
    for k, ax in enumerate(axes):
        wave = np.cos(np.deg2rad(k * turn))
        ax.add_patch(Circle((0, 0), 1, fill=False, ec=GREY, lw=1))
        for sign, color, dash in ((1, BLUE, "-"), (-1, ORANGE, (0, (2, 1)))):
            radius = np.where(sign * wave > 0, 1 + 0.3 * wave, np.nan)
            x, y = on_circle(turn)
            ax.plot(radius * x, radius * y, linestyle=dash, color=color)
        ax.text(0, 0, f"degree {k}", ha="center", va="center", fontsize=11)
        ax.text(0, -1.7, "odd" if k % 2 else "even", ha="center", fontsize=11)
    return figure


def zigzag() -> Figure:
    """The same four discs in a zigzag row, twice, two of each label. Left, the straight line of one
    unit separates the centres but cuts every disc. Right, the line of three units has two kinks
    between its ends and passes between the discs without touching one.
    """
    figure, axes = sheet(6.8, 2.9, x=(-0.9, 3.9), y=(-1.3, 1.6), panels=2)
    for ax, title in zip(axes, ("one unit", "three units"), strict=True):
        for k in range(4):
            color, centre = (BLUE, 0.5) if k % 2 == 0 else (ORANGE, -0.5)
            ax.add_patch(Circle((k, centre), 0.6, fc=color, alpha=0.3, lw=0))
            ax.plot(k, centre, "s" if k % 2 else "o", color=color)
        ax.set_title(title)
    axes[0].plot([-0.8, 3.8], [0, 0], "-", color="black")
    axes[1].plot([-0.8, 1, 2, 3.8], [-1.3, 0.5, -0.5, 1.3], "-", color="black")
    return figure


def triangle() -> Figure:
    """Three stars at the corners of a triangle with equal sides. For the labels plus, plus, minus
    one disc holds the two stars with plus and another holds the star with minus; the discs do not
    meet. Turned, the same two discs serve every other labelling.
    """
    figure, ax = sheet(5.2, 3.6, x=(-2.6, 2.6), y=(-1.9, 1.6))
    side = 1.5
    stars = [(-0.9, side / 2), (-0.9, -side / 2), (side * math.sqrt(3) / 2 - 0.9, 0.0)]
    ax.plot(*np.array([*stars, stars[0]]).T, "-", color=GREY, lw=1)
    for centre, members, color, mark in (
        ((-1.25, 0.0), (0, 1), BLUE, "o"),
        ((1.25, 0.0), (2,), ORANGE, "s"),
    ):
        ax.add_patch(Circle(centre, 1.0, fc=color, alpha=0.2, lw=0))
        ax.plot(*centre, mark, color=color)
        for k in members:
            ax.plot(*np.array([centre, stars[k]]).T, ":", color=color)
    for (x, y), sign in zip(stars, "++−", strict=True):
        ax.plot(x, y, "*", color="black", ms=11)
        ax.text(x + 0.12, y + 0.12, sign, weight="bold")
    arrow(ax, (-1.25, -1.3), (1.25, -1.3), GREY, arrowstyle="<->")
    ax.text(0, -1.7, "centres at least $2δ$ apart", ha="center", fontsize=11)
    return figure
