"""A drawn idea: a picture that does not depend on any run, with its description."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from robustlib.book.explorers.drawing import PALETTE, STYLE
from robustlib.book.explorers.stills import still_svg

BLUE, ORANGE, GREEN, GREY = (PALETTE[name] for name in ("blue", "orange", "green", "grey"))


@dataclass(frozen=True)
class Picture:
    """What ``idea`` returns: shows itself as SVG, and reads as what is to be seen."""

    description: str
    svg: str = field(repr=False)

    def __repr__(self) -> str:
        return self.description

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"image/svg+xml": self.svg, "text/plain": self.description}


def painted(paint: Callable[[], Figure]) -> Picture:
    """The picture of one function, described by its docstring."""
    with mpl.rc_context(STYLE):
        return Picture(" ".join((inspect.getdoc(paint) or "").split()), still_svg(paint()))


def sheet(
    width: float, height: float, *, x: tuple[float, float], y: tuple[float, float], panels: int = 1
) -> tuple[Figure, Any]:
    """A figure of so many inches with empty axes side by side, drawn to scale."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for ax in axes:
        ax.set(xlim=x, ylim=y, aspect="equal")
        ax.axis("off")
    return figure, axes[0] if panels == 1 else axes


def arrow(
    ax: Any, start: tuple[float, float], end: tuple[float, float], color: str = "black", **how: Any
) -> None:
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style | how)
