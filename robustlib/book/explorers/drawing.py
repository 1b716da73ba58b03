"""The look of every figure, and a matplotlib figure as SVG that follows the page it stands in."""

from __future__ import annotations

import html
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

# Told apart in the three common kinds of colour blindness, and at least 4.5:1 on white; the page
# in dark mode shows a lighter tone of the same name (static/explore.css).
PALETTE = {
    "blue": "#126fd0",
    "orange": "#b6570e",
    "green": "#00592f",
    "purple": "#810c73",
    "grey": "#6f7175",
}
# Line after line differs in colour and in dash, so that neither is needed to tell them apart.
STYLE: Any = {
    "axes.prop_cycle": cycler(color=list(PALETTE.values()))
    + cycler(linestyle=["-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1))]),
    "axes.titlesize": "medium",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.figsize": (5.6, 3.2),
    "font.size": 12,
    "image.interpolation": "none",
    "legend.frameon": False,
    "lines.linewidth": 2,
}

Draw = Callable[..., tuple[Figure, str]]
OWN = "\ue000"  # stands for the explorer's own id in the pictures, until their hash is known
COLOURS = {colour: f"var(--rl-{name})" for name, colour in PALETTE.items()}
COLOURS |= {"#000000": "currentColor", "#ffffff": "var(--rl-ground)"}


@contextmanager
def _no_figure_left() -> Iterator[None]:
    """Close the pyplot figures made inside, so that no front end shows them once more."""

    def open_figures() -> set[int]:
        pyplot = sys.modules.get("matplotlib.pyplot")
        return set(pyplot.get_fignums()) if pyplot else set()

    before = open_figures()
    try:
        yield
    finally:
        for number in open_figures() - before:
            sys.modules["matplotlib.pyplot"].close(number)


def draw_state(draw: Draw, state: Mapping[str, object], where: str) -> tuple[str, str]:
    """Picture and sentence of one state; ``where`` names it in every error."""
    with mpl.rc_context(STYLE), _no_figure_left():
        try:
            drawn: object = draw(**state)
        except Exception as error:
            raise RuntimeError(
                f"draw raised in {where}: {type(error).__name__}: {error}"
            ) from error
        if not (
            isinstance(drawn, tuple)
            and len(drawn) == 2
            and isinstance(drawn[0], Figure)
            and isinstance(drawn[1], str)
        ):
            got = (
                f"({', '.join(type(item).__name__ for item in drawn)})"
                if isinstance(drawn, tuple)
                else type(drawn).__name__
            )
            raise TypeError(f"draw must return (matplotlib Figure, sentence), got {got} in {where}")
        figure, sentence = drawn
        if not sentence.strip():
            raise ValueError(f"draw returned an empty sentence in {where}; say what is seen")
        try:
            return to_svg(figure), " ".join(sentence.split())
        except Exception as error:  # a formula that cannot be set, say
            raise RuntimeError(f"matplotlib could not draw {where}: {error}") from error


def to_svg(figure: Figure) -> str:
    """The figure as ``<svg>`` for a page: small, equal at every run, in the page's colours.

    Every line of the text is one artist of the figure, so that two pictures can share lines.
    Ids begin with ``OWN``, to be replaced by something that is unique on the page.
    """
    buffer = BytesIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "robustlib", "svg.image_inline": True}
    undated = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(settings):
        figure.savefig(buffer, format="svg", transparent=True, metadata=undated)
    root = ET.fromstring(buffer.getvalue())
    width, height = root.get("viewBox", "").split()[2:]
    inside = _Writer().children(root)
    # at most its natural size: the font size of the figure is then the one that readers see
    size = f"viewBox='0 0 {width} {height}' style='max-width:{width}pt'"
    return f"<svg role='img' {size}>{inside}\n</svg>"


def light(svg: str) -> str:
    """A file of its own, in light colours on white; ids still begin with ``OWN``."""
    for colour, name in COLOURS.items():
        svg = svg.replace(name, colour)
    root = (
        "<svg xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' stroke-linejoin='round'"
    )
    return svg.replace("<svg role='img'", root, 1).replace("style='", "style='background:#fff;", 1)


def as_image(svg: str, alt: str) -> str:
    """``<img>`` that holds the picture in light colours, for where pages are stripped of SVG.

    GitHub, and JupyterLab before a notebook is trusted, keep images but neither SVG nor scripts.
    """
    svg = light(svg)
    safe = quote(svg.replace("\n", "").replace(OWN, "p"), safe=" '=:;,/()-+.!*@?")
    width, height = re.findall(r"viewBox='0 0 (\S+) (\S+)'", svg)[0]
    size = f'width="{float(width) * 4 / 3:.0f}" height="{float(height) * 4 / 3:.0f}"'
    return f'<img {size} alt="{html.escape(alt)}" src="data:image/svg+xml,{safe}">'


class _Writer:
    """Writes matplotlib's SVG again, without what a page does not need."""

    def __init__(self) -> None:
        # numbered as they appear: what stays the same between two states keeps its name
        self.names: dict[str, str] = {}

    def name(self, given: str) -> str:
        return OWN + self.names.setdefault(given, str(len(self.names)))

    def children(self, element: ET.Element) -> str:
        return "".join(map(self.element, _words(element)))

    def element(self, element: ET.Element) -> str:
        tag = element.tag.rpartition("}")[2]
        style = element.get("style", "")
        invisible = tag == "path" and "fill: none" in style and "stroke" not in style
        if invisible or tag in ("metadata", "style"):
            return ""
        pairs = ((k.rpartition("}")[2], v) for k, v in element.attrib.items())
        written = ((key, self.attribute(tag, key, value)) for key, value in pairs)
        attributes = "".join(f" {k}='{html.escape(v)}'" for k, v in written if v)
        inside = self.children(element)
        if tag in ("text", "tspan") and not inside:
            inside = html.escape(element.text or "", quote=False)
        if tag == "g" and not attributes:
            return ("\n" if element.get("id") else "") + inside
        if tag in ("g", "defs") and not inside:
            return ""
        return f"<{tag}{attributes}>{inside}</{tag}>" if inside else f"<{tag}{attributes}/>"

    def attribute(self, tag: str, key: str, value: str) -> str:
        if key == "id":  # nothing refers to the id of a group or an image
            return "" if tag in ("g", "image") else self.name(value)
        if key == "href":
            local = value.startswith("#")
            return "#" + self.name(value[1:]) if local else re.sub(r"\s", "", value)
        if key == "style":
            value = re.sub(r"font-family:[^;]*(;|$)", "", value)  # the page's own
            value = re.sub(r"\s*([:;])\s*", r"\1", value).strip("; ")
        value = re.sub(r"url\(#(\w+)\)", lambda m: f"url(#{self.name(m[1])})", value)
        value = re.sub("#[0-9a-f]{6}", lambda m: COLOURS.get(m[0], m[0]), value)
        digits = 5 if key == "transform" else 2
        value = re.sub(r"-?\d+\.\d+", lambda m: _number(m[0], digits), value)
        if key == "transform":
            value = re.sub(r"^rotate\(-?0 .*\)$", "", value)
        return re.sub(r"\s*([A-Za-z])\s*", r"\1", value) if key == "d" else value


def _number(text: str, digits: int) -> str:
    return f"{round(float(text), digits) + 0.0:.{digits}f}".rstrip("0").rstrip(".")


def _words(element: ET.Element) -> Iterator[ET.Element]:
    """The children; letters that mathtext placed one by one are joined to words.

    It places them by its own font; in the page's font single letters would stand apart.
    """
    children = list(element)
    if not all(re.fullmatch(r"-?[\d.]+", child.get("x", "")) for child in children):
        yield from children
        return
    if element.tag.endswith("text"):
        children.sort(key=lambda child: float(child.get("x", "")))
    placed = ("style", "y")
    joined: list[ET.Element] = []
    for child in children:
        last = joined[-1] if joined else child
        pair = f"{last.text}{child.text}"
        together = all(last.get(key) == child.get(key) for key in placed) and pair.isalpha()
        if last is not child and child.tag.endswith("tspan") and together:
            last.text = pair
        else:
            joined.append(child)
    yield from joined
