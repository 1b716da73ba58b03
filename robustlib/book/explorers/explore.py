"""Figures that a reader can move: every state drawn ahead, switched by a small script."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from robustlib.book.explorers.drawing import PALETTE, STYLE, Draw, draw_state
from robustlib.book.explorers.live import Progress, front_end, ipywidgets, live_widget
from robustlib.book.explorers.page import Store, labels_of, ordered, page_html, weigh
from robustlib.checks import check_flag, shown, single

__all__ = ["PALETTE", "STYLE", "Explorer", "explore"]

MAX_PARAMETERS = 3
MAX_STATES = 200


@dataclass(frozen=True)
class Explorer:
    """What ``explore`` returns: shows itself in a notebook, and knows the sentence of each state.

    ``sentences`` maps the values of a state, in the order of the parameters, to its sentence;
    ``begin`` is the state that a reader sees first; ``html`` is the whole figure; ``weight`` says
    in words how heavy it is.
    """

    sentences: Mapping[tuple[object, ...], str]
    begin: tuple[object, ...]
    summary: str
    weight: str = field(repr=False)
    html: str = field(repr=False)
    widget: Callable[[], Any] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"{self.sentences[self.begin]}\n[{self.summary}]"

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        if self.widget is not None and front_end():
            # written out, because ipywidgets 7 has no _repr_mimebundle_
            view = {"version_major": 2, "version_minor": 0, "model_id": self.widget().model_id}
            return {"application/vnd.jupyter.widget-view+json": view, "text/plain": repr(self)}
        return {"text/html": self.html, "text/plain": repr(self)}


def explore(
    draw: Draw,
    /,
    *,
    begin: Mapping[str, object] | None = None,
    live: bool = False,
    **values: Iterable[object],
) -> Explorer:
    """A figure with a slider or switch for each of the ``values``, drawn ahead in all its states.

    ``draw`` is called with one value of every parameter, by keyword, inside ``STYLE``; it returns
    a matplotlib figure and the sentence that says what the figure shows, with the number. The
    sentence is the caption, the text for screen readers and for the PDF. Give one to three
    parameters with at most 200 states in all. Values that are all strings have no order: they get a
    switch that shows every one of them, all others a slider. A reader sees first, and on paper
    only, the state that ``begin`` names, the one that the text speaks of; a parameter that it does
    not name begins at its first value.
    Keep the axes' limits fixed, so that only what changes moves; keep ``figsize`` at about
    (5.6, 3.2), so that the text can be read on a phone; use ``PALETTE``, whose colours follow a
    dark page, as black and white do; write labels in plain letters (x₁, ρ) where they suffice.

    ``live=True`` shows, in a notebook with a kernel and ipywidgets, sliders that also reach
    numbers between the given ones and draw anew. What is stored by an executed notebook is always
    the static figure. The environment variable ``ROBUSTLIB_STATIC`` decides against live figures
    (1) or for them (0); without it they appear where a person's front end asks for the cell.

    Raises ``ValueError`` or ``TypeError``, naming the state where there is one, for no states or
    too many, duplicate values, a ``begin`` that is no state, anything else returned by ``draw``, or
    a figure that is too heavy for the page; ``RuntimeError`` where ``draw`` itself raises.
    """
    if isinstance(draw, type) or not callable(draw):
        raise TypeError(f"draw must be a function, got {draw!r} ({type(draw).__name__})")
    check_flag("live", live)
    names, grid = _check_values(draw, values)
    first = _check_begin({} if begin is None else begin, grid)
    controls = [
        {
            "name": name.replace("_", " "),
            "values": labels_of(name, grid[name]),
            "begin": grid[name].index(value),
            "ordered": ordered(grid[name]),
        }
        for name, value in zip(names, first, strict=True)
    ]
    states = list(itertools.product(*(grid[name] for name in names)))
    sentences: dict[tuple[object, ...], str] = {}
    store = Store()
    with Progress(len(states)) as progress:
        for number, state in enumerate(states, start=1):
            texts = (f"{name}={value!r}" for name, value in zip(names, state, strict=True))
            where = f"state {number} of {len(states)} ({', '.join(texts)})"
            progress.show(f"drawing {where}")
            svg, sentences[state] = draw_state(draw, dict(zip(names, state, strict=True)), where)
            store.add(svg, where, first=state == first)
        summary = " × ".join(f"{name}: {len(grid[name])} values" for name in names)
        count = "1 state" if len(states) == 1 else f"{len(states)} states"
        page = page_html(controls, sentences[first], list(sentences.values()), store)
        weight = f"{count}, {len(store.pictures)} different pictures, {weigh(page, store)}"
        progress.show(weight)
    if live:
        ipywidgets()
    widget = (lambda: live_widget(draw, grid, first)) if live else None
    return Explorer(sentences, first, f"{count}; {summary}", weight, page, widget)


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
            raise TypeError(f"{name} must be a list of values, got {shown(given)}")
        listed = given.tolist() if hasattr(given, "tolist") else list(given)  # plain numbers
        if not listed:
            raise ValueError(f"{name} has no values, so there are no states to draw")
        seen: list[Any] = []
        for value in map(single, listed):
            if not isinstance(value, Hashable) or hasattr(value, "ndim"):
                raise TypeError(f"{name} must hold numbers, strings or tuples, got {shown(value)}")
            if value in seen:
                raise ValueError(f"{name} has the value {shown(value)} twice; name each value once")
            if value != value:
                raise ValueError(f"{name} must hold values that equal themselves, got {value!r}")
            seen.append(value)
        grid[name] = seen
    count = math.prod(map(len, grid.values()))
    if count > MAX_STATES:
        sizes = " × ".join(f"{len(listed)} of {name}" for name, listed in grid.items())
        raise ValueError(
            f"{count} states ({sizes}) are more than {MAX_STATES}; name fewer values, or split "
            "the figure in two"
        )
    try:
        inspect.signature(draw).bind(**{name: listed[0] for name, listed in grid.items()})
    except ValueError:  # no signature: written in C
        pass
    except TypeError as error:
        raise TypeError(
            f"draw must take the parameters {', '.join(grid)} by name: {error}"
        ) from None
    return list(grid), grid


def _check_begin(begin: Mapping[str, object], grid: Mapping[str, list[Any]]) -> tuple[Any, ...]:
    if not isinstance(begin, Mapping):
        raise TypeError(f"begin must map parameters to values ({{'radius': 0.1}}), got {begin!r}")
    for name in begin:
        if name not in grid:
            raise ValueError(f"begin names {name!r}, which is none of: {', '.join(grid)}")
    return tuple(
        _state_of(name, begin[name], listed) if name in begin else listed[0]
        for name, listed in grid.items()
    )


def _state_of(name: str, value: object, listed: list[Any]) -> Any:
    try:
        return listed[listed.index(value)]
    except (ValueError, RuntimeError):  # not there, or an array, whose comparison is none
        raise ValueError(
            f"begin asks for {name} = {shown(value)}, which is not in {shown(listed)}"
        ) from None
