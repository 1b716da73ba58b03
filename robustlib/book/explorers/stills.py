"""Figures that stand still: SVG in light colours, which a page of the book recolours."""

from __future__ import annotations

import hashlib
import importlib
import sys
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from robustlib.book.explorers.drawing import OWN, STYLE, light, to_svg


def still_svg(figure: Figure) -> str:
    """The figure as an SVG file: equal at every run, its ids unlike those of other figures."""
    svg = light(to_svg(figure))
    own = "rl" + hashlib.sha256(svg.encode()).hexdigest()[:8] + "-"
    return svg.replace(OWN, own) + "\n"


def use_style() -> None:
    """Draw and show every further figure of this notebook as the book does.

    matplotlib gets ``STYLE``, and IPython shows a figure as SVG: in the book with the colours of
    the page, light or dark, elsewhere on white. Outside of IPython only the style is set.
    """
    mpl.rcParams.update(STYLE)
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.switch_backend(mpl.get_backend())  # now: it would ask for PNG when first used
    formatters = shell.display_formatter.formatters
    for formatter in formatters.values():
        formatter.pop(Figure, None)
    formatters["image/svg+xml"].for_type(Figure, still_svg)
