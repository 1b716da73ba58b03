"""Figures that a reader can move: every state drawn ahead, switched by a small script."""

from __future__ import annotations

import gzip
import hashlib
import html
import importlib
import inspect
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from robustlib._svg import OWN, PALETTE, STYLE, as_image, to_svg
from robustlib.numerics import check_choice

__all__ = ["PALETTE", "STYLE", "Explorer", "explore"]

MAX_PARAMETERS = 3
MAX_STATES = 200
MAX_OUTPUT_BYTES = 2_000_000  # of one output in the notebook
MAX_PAGE_BYTES = 1_500_000  # of one page, gzipped

Draw = Callable[..., tuple[Figure, str]]


@dataclass(frozen=True)
class Explorer:
    """What ``explore`` returns: shows itself in a notebook, and knows the sentence of each state.

    ``sentences`` maps the values of a state, in the order of the parameters, to its sentence;
    ``html`` is the whole figure; ``weight`` says in words how heavy it is.
    """

    sentences: Mapping[tuple[object, ...], str]
    summary: str
    weight: str = field(repr=False)
    html: str = field(repr=False)
    widget: Callable[[], Any] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"{next(iter(self.sentences.values()))}\n[{self.summary}]"

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        if self.widget is not None and _front_end():
            # written out, because ipywidgets 7 has no _repr_mimebundle_
            view = {"version_major": 2, "version_minor": 0, "model_id": self.widget().model_id}
            return {"application/vnd.jupyter.widget-view+json": view, "text/plain": repr(self)}
        return {"text/html": self.html, "text/plain": repr(self)}


def explore(draw: Draw, /, *, live: bool = False, **values: Iterable[object]) -> Explorer:
    """A figure with one slider for each of the ``values``, drawn ahead in all its states.

    ``draw`` is called with one value of every parameter, by keyword, inside ``STYLE``; it returns
    a matplotlib figure and the sentence that says what the figure shows, with the number. The
    sentence is the caption, the text for screen readers and for the PDF. Give one to three
    parameters with at most 200 states in all; the first value of each is what a reader sees first.
    Keep the axes' limits fixed, so that only what changes moves; keep ``figsize`` at about
    (5.6, 3.2), so that the text can be read on a phone; use ``PALETTE``, whose colours follow a
    dark page, as black and white do.

    ``live=True`` shows, in a notebook with a kernel and ipywidgets, sliders that also reach
    numbers between the given ones and draw anew. What is stored by an executed notebook is always
    the static figure. The environment variable ``ROBUSTLIB_STATIC`` decides against live figures
    (1) or for them (0); without it they appear where a person's front end asks for the cell.

    Raises ``ValueError`` or ``TypeError``, naming the state where there is one, for no states or
    too many, duplicate values, anything else returned by ``draw``, or a figure that is too heavy
    for the page; ``RuntimeError`` where ``draw`` itself raises.
    """
    if not callable(draw):
        raise TypeError(f"draw must be a function, got {draw!r} ({type(draw).__name__})")
    names, grid = _check_values(draw, values)
    labels = [_labels(name, grid[name]) for name in names]
    states = list(itertools.product(*(grid[name] for name in names)))
    sentences: dict[tuple[object, ...], str] = {}
    store = _Store()
    with _Progress(len(states)) as progress:
        for number, state in enumerate(states, start=1):
            texts = (f"{name}={value!r}" for name, value in zip(names, state, strict=True))
            where = f"state {number} of {len(states)} ({', '.join(texts)})"
            progress.show(f"drawing {where}")
            svg, sentences[state] = _draw_state(draw, dict(zip(names, state, strict=True)), where)
            store.add(svg, where)
        summary = " × ".join(f"{n}: {len(g)} values" for n, g in zip(names, labels, strict=True))
        count = "1 state" if len(states) == 1 else f"{len(states)} states"
        page = _page(names, labels, list(sentences.values()), store)
        weight = f"{count}, {len(store.pictures)} different pictures, {_weigh(page, store)}"
        progress.show(weight)
    if live:
        _ipywidgets()
    widget = (lambda: _live_widget(draw, names, grid)) if live else None
    return Explorer(sentences, f"{count}; {summary}", weight, page, widget)


# --- checks ------------------------------------------------------------------------------------


def _check_values(
    draw: Draw, values: Mapping[str, Iterable[object]]
) -> tuple[list[str], dict[str, list[Any]]]:
    if not 1 <= len(values) <= MAX_PARAMETERS:
        raise ValueError(
            f"explore takes 1 to {MAX_PARAMETERS} parameters, each a list of values "
            f"(radius=[0.1, 0.2]), got {len(values)}: {', '.join(values) or 'none'}"
        )
    grid: dict[str, list[Any]] = {}
    for name, given in values.items():
        scalar = getattr(given, "ndim", 1) == 0  # of numpy or torch: looks iterable, is not
        if scalar or isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            raise TypeError(f"{name} must be a list of values, got {given!r}")
        listed = given.tolist() if hasattr(given, "tolist") else list(given)  # plain numbers
        if not listed:
            raise ValueError(f"{name} has no values, so there are no states to draw")
        seen: list[object] = []
        for value in listed:
            if not isinstance(value, Hashable):
                raise TypeError(f"{name} must hold numbers, strings or tuples, got {value!r}")
            if value in seen:
                raise ValueError(f"{name} has the value {value!r} twice; name each value once")
            seen.append(value)
        grid[name] = listed
    count = math.prod(map(len, grid.values()))
    if count > MAX_STATES:
        sizes = " × ".join(f"{len(listed)} of {name}" for name, listed in grid.items())
        raise ValueError(
            f"{count} states ({sizes}) are more than {MAX_STATES}; name fewer values, or split "
            "the figure in two"
        )
    try:
        inspect.signature(draw).bind(**{name: listed[0] for name, listed in grid.items()})
    except TypeError as error:
        raise TypeError(
            f"draw must take the parameters {', '.join(grid)} by name: {error}"
        ) from None
    return list(grid), grid


def _labels(name: str, values: list[Any]) -> list[str]:
    """How each value reads beside the slider: short where that still tells them apart."""
    short = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
    texts = short if len(set(short)) == len(values) else [str(v) for v in values]
    if len(set(texts)) < len(values):
        raise ValueError(f"{name} has different values that read the same: {', '.join(texts)}")
    return texts


# --- one state ---------------------------------------------------------------------------------


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


def _draw_state(draw: Draw, state: Mapping[str, object], where: str) -> tuple[str, str]:
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
        return to_svg(figure), " ".join(sentence.split())


# --- the page ----------------------------------------------------------------------------------


class _Store:
    """Pictures as lists of parts, so that what two states share is stored once."""

    def __init__(self) -> None:
        self.parts: dict[str, int] = {}
        self.pictures: dict[tuple[int, ...], int] = {}
        self.shown: list[int] = []
        self.first = ""
        self.bytes = 0
        self.heaviest = (0, "")

    def add(self, svg: str, where: str) -> None:
        self.first = self.first or svg
        pieces = svg.split("\n")
        self.bytes += sum(len(_stored(p)) for p in dict.fromkeys(pieces) if p not in self.parts)
        self.heaviest = max(self.heaviest, (len(_stored(svg)), where), key=lambda pair: pair[0])
        picture = tuple(self.parts.setdefault(piece, len(self.parts)) for piece in pieces)
        self.shown.append(self.pictures.setdefault(picture, len(self.pictures)))
        if self.bytes > MAX_OUTPUT_BYTES:
            self.refuse(f"with {where} the pictures weigh {self.bytes / 1e6:.1f} MB")

    def refuse(self, what: str) -> None:
        size, where = self.heaviest
        raise ValueError(
            f"{what}; an output may weigh {MAX_OUTPUT_BYTES / 1e6:g} MB in the notebook and "
            f"{MAX_PAGE_BYTES / 1e6:g} MB gzipped in the page. The heaviest picture, {where}, "
            f"weighs {size / 1e6:.2f} MB: plot fewer points, draw fields with imshow and many "
            "points with rasterized=True, or name fewer values"
        )


def _stored(text: str) -> bytes:
    """``text`` as the notebook file stores it when it stands in the output's own JSON."""
    return json.dumps(json.dumps(text, ensure_ascii=False), ensure_ascii=False).encode()


def _weigh(page: str, store: _Store) -> str:
    """The weight of the output in words; raises where it is too heavy."""
    raw = len(json.dumps(page, ensure_ascii=False).encode())
    packed = len(gzip.compress(page.encode(), mtime=0))
    weight = f"{raw / 1000:.0f} kB ({packed / 1000:.0f} kB gzipped)"
    if raw > MAX_OUTPUT_BYTES or packed > MAX_PAGE_BYTES:
        store.refuse(f"the output weighs {weight}")
    return weight


def _static(name: str) -> str:
    return resources.files("robustlib").joinpath("static", name).read_text(encoding="utf-8")


def _json(kind: str, content: object) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("</", "<\\/").replace("<!--", "\\u003c!--")
    return f'<script type="application/json" class="{kind}">\n{text}\n</script>\n'


def _figure(picture: str, sentence: str) -> str:
    return (
        f'<figure class="rl-figure">\n<div class="rl-controls"></div>\n<div class="rl-picture">'
        f"{picture}</div>\n"
        f'<figcaption class="rl-sentence" aria-live="polite">{html.escape(sentence)}</figcaption>\n'
        "</figure>\n"
    )


def _page(names: list[str], labels: list[list[str]], sentences: list[str], store: _Store) -> str:
    parameters = [
        {"name": name.replace("_", " "), "values": texts}
        for name, texts in zip(names, labels, strict=True)
    ]
    body = (
        f"<style>\n{_static('explore.css')}</style>\n"
        + _figure(as_image(store.first, sentences[0]), sentences[0])
        + '<p class="rl-note">This is the first state; moving it needs scripts.</p>\n'
        + _json("rl-states", {"parameters": parameters, "sentences": sentences})
        + _json(
            "rl-pictures",
            {
                "parts": list(store.parts),
                "pictures": list(store.pictures),
                "shown": store.shown,
            },
        )
        + f"<script>\n{_static('explore.js')}</script>\n"
    )
    name = "rl-" + hashlib.sha256(body.encode()).hexdigest()[:8]
    return f'<div class="rl-explorer" id="{name}">\n{body.replace(OWN, name + "-")}</div>'


# --- with a kernel -----------------------------------------------------------------------------


def _front_end() -> bool:
    """Whether a person's notebook asked for this cell, rather than a program that executes it."""
    decided = os.environ.get("ROBUSTLIB_STATIC")
    if decided is not None:
        return check_choice("ROBUSTLIB_STATIC", decided, ("0", "1")) == "0"
    if "google.colab" in sys.modules:
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    # JupyterLab, Notebook 7 and VS Code name the cell they ask for; nbclient and nbval do not
    request = getattr(shell, "parent_header", None) or {}
    return "cellId" in request.get("metadata", {})


class _Progress:
    """One line that says which state is drawn: on a terminal or in front of a person, else none.

    In a notebook the line ends as the weight of the output, since a line that is taken away
    again would leave an empty output behind.
    """

    def __init__(self, states: int) -> None:
        self.terminal = sys.stderr is not None and sys.stderr.isatty()
        self.notebook = not self.terminal and _front_end()
        self.handle: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal:
            print(file=sys.stderr)

    def show(self, text: str) -> None:
        if self.terminal:
            print(f"\r{text:<100}", end="", file=sys.stderr, flush=True)
        elif self.notebook and self.handle is None:
            display = importlib.import_module("IPython.display").display
            self.handle = display({"text/plain": text}, raw=True, display_id=True)
        elif self.handle is not None:
            self.handle.update({"text/plain": text}, raw=True)


def _ipywidgets() -> Any:
    try:
        return importlib.import_module("ipywidgets")
    except ImportError:
        raise ImportError("live=True needs ipywidgets: pip install ipywidgets") from None


def _live_widget(draw: Draw, names: list[str], grid: Mapping[str, list[Any]]) -> Any:
    """Sliders that draw anew: only what ipywidgets 7.7 has as well as 8."""
    widgets = _ipywidgets()
    sliders = []
    for name in names:
        values = grid[name]
        kind = {type(value) for value in values}
        how: dict[str, Any] = {"description": name.replace("_", " "), "continuous_update": False}
        if len(values) > 1 and kind == {int}:
            how |= {"min": min(values), "max": max(values), "step": math.gcd(*values) or 1}
            slider = widgets.IntSlider(value=values[0], **how)
        elif len(values) > 1 and kind <= {int, float}:
            low, high = min(values), max(values)
            how |= {"min": low, "max": high, "step": (high - low) / 100, "readout_format": ".3g"}
            slider = widgets.FloatSlider(value=values[0], **how)
        else:
            options = list(zip(_labels(name, values), values, strict=True))
            slider = widgets.SelectionSlider(options=options, **how)
        sliders.append(slider)
    shown = widgets.HTML()

    def show(_: object = None) -> None:
        state = {name: slider.value for name, slider in zip(names, sliders, strict=True)}
        where = "state " + ", ".join(f"{name}={value!r}" for name, value in state.items())
        try:
            svg, sentence = _draw_state(draw, state, where)
        except Exception as error:  # a callback has nobody else to tell
            svg, sentence = "<svg></svg>", str(error)
        own = f"rl-live-{id(shown)}-"
        shown.value = (
            f"<style>{_static('explore.css')}</style><div class='rl-explorer'>"
            f"{_figure(svg.replace(OWN, own), sentence)}</div>"
        )

    for slider in sliders:
        slider.observe(show, names="value")
    show()
    return widgets.VBox([*sliders, shown])
