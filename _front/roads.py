"""Draw the front page's map: which chapters lead to which theorem, and what may be skipped.

``python _front/roads.py`` writes it anew, in the colours of the page and for the width of a phone.
"""

from __future__ import annotations

import inspect
from html import escape
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from robustlib.book.explorers.drawing import OWN, PALETTE, STYLE, to_svg
from robustlib.book.ideas.picture import arrow

MAP = Path(__file__).resolve().parent / "map.html"
LEFT, MIDDLE, RIGHT = 0.75, 2.25, 3.75  # inches
# number: what it is about, place, and whether a theorem needs it
CHAPTERS = {
    1: ("robust loss", (MIDDLE, 5.7), True),
    2: ("inner maximum", (RIGHT, 5.7), False),
    3: ("near the start", (LEFT, 4.7), True),
    4: ("the kernel", (LEFT, 3.7), True),
    5: ("depth", (MIDDLE, 3.7), True),
    6: ("online learning", (MIDDLE, 4.7), True),
    7: ("convergence", (MIDDLE, 2.7), True),
    8: ("what it can say", (LEFT, 2.7), True),
    9: ("robust networks", (LEFT, 1.7), True),
    10: ("capacity", (RIGHT, 4.7), True),
    11: ("width", (RIGHT, 2.7), False),
    12: ("left out", (RIGHT, 1.7), False),
    13: ("what came later", (RIGHT, 0.7), False),
}
THEOREMS = {"A": (1.9, 1.75), "B": (2.6, 1.75), "C": (0.4, 0.7), "D": (1.1, 0.7), "E": (3.5, 3.7)}
HALF = (0.62, 0.27)  # of a box
ROADS = (
    ((MIDDLE, 5.4), (MIDDLE, 5.02)),
    ((1.6, 5.5), (1.1, 5.02)),
    ((2.9, 5.5), (3.4, 5.02)),
    ((LEFT, 4.4), (LEFT, 4.02)),
    ((1.2, 4.4), (1.65, 4.02)),
    ((LEFT, 3.4), (LEFT, 3.02)),
    ((1.0, 4.4), (1.6, 2.95)),
    ((MIDDLE, 3.4), (MIDDLE, 3.02)),
    ((LEFT, 2.4), (LEFT, 2.02)),
    ((1.6, 2.5), (1.38, 1.98)),
    ((2.1, 2.4), (1.97, 2.02)),
    ((2.4, 2.4), (2.53, 2.02)),
    ((0.6, 1.4), (0.48, 0.97)),
    ((0.9, 1.4), (1.02, 0.97)),
    ((3.65, 4.4), (3.55, 3.97)),
)
LANES = (  # around a box, or to a chapter that no theorem needs
    ((2.9, 4.7), (2.9, 2.75), "solid", -0.22),
    ((2.9, 5.7), (3.08, 5.7), "dashed", 0.0),
    ((4.0, 4.4), (4.0, 3.02), "dashed", 0.0),
    ((4.25, 5.4), (4.25, 3.02), "dashed", -0.15),
    ((2.85, 2.4), (3.2, 2.02), "dashed", 0.0),
)


def roads() -> Figure:
    """Chapters as boxes with arrows to what needs them. From chapter 1 roads go to 3, to 6 and to
    10. Chapters 3 and 6 lead to 7 and Theorem B, and with chapter 5 to Theorem A. From 3 a road
    goes over 4 and 8 to 9, which with 7 proves Theorems C and D. Chapter 10 alone proves Theorem E.
    Dashed are what may be skipped: chapter 2, chapter 11 after 2 and 10, chapter 12 after 7, and
    chapter 13 after 4 and 6.
    """
    figure = Figure(figsize=(4.5, 5.9))
    ax = figure.subplots()
    ax.set(xlim=(0.05, 4.5), ylim=(0.25, 6.1), aspect="equal")
    ax.axis("off")
    for number, (name, (x, y), needed) in CHAPTERS.items():
        color = PALETTE["blue" if needed else "grey"]
        corner, style = (x - HALF[0], y - HALF[1]), "solid" if needed else "dashed"
        size = (2 * HALF[0], 2 * HALF[1], "round,pad=0.03")
        ax.add_patch(FancyBboxPatch(corner, *size, ec=color, fc="none", lw=1.5, ls=style))
        ax.text(x, y + 0.11, f"{number}", ha="center", va="center", weight="bold", color=color)
        ax.text(x, y - 0.13, name, ha="center", va="center", fontsize=10.5)
    for letter, place in THEOREMS.items():
        ax.add_patch(Circle(place, 0.23, ec=PALETTE["orange"], fc="none", lw=2))
        ax.text(*place, letter, ha="center", va="center", weight="bold", color=PALETTE["orange"])
    for start, end in ROADS:
        arrow(ax, start, end, mutation_scale=11)
    for start, end, style, bend in LANES:
        color = "black" if style == "solid" else PALETTE["grey"]
        look = {"linestyle": style, "connectionstyle": f"arc3,rad={bend}", "mutation_scale": 11}
        arrow(ax, start, end, color, **look)
    ax.text(RIGHT, 0.3, "after 4 and 6", ha="center", va="center", fontsize=10.5)
    return figure


def html() -> str:
    """The map for the page, with its description."""
    with mpl.rc_context(STYLE):
        svg = to_svg(roads()).replace(OWN, "rl-map-")
    told = escape(" ".join((inspect.getdoc(roads) or "").split()))
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{told}"', 1)
    return f'<div class="rl-figure rl-map">{svg}</div>\n'


if __name__ == "__main__":
    MAP.write_text(html(), encoding="utf-8")
