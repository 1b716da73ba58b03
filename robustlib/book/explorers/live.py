"""What explorers do in front of a person: progress while they draw, sliders that draw anew."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Mapping
from typing import Any

from robustlib.book.explorers.drawing import OWN, Draw, draw_state
from robustlib.book.explorers.page import figure_html, labels_of, ordered, static_text
from robustlib.checks import check_choice


def front_end() -> bool:
    """Whether a person's notebook asked for this cell, rather than a program that executes it."""
    decided = os.environ.get("ROBUSTLIB_STATIC")
    if decided is not None:
        return check_choice("ROBUSTLIB_STATIC", decided, ("0", "1")) == "0"
    if "google.colab" in sys.modules:
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    # JupyterLab, Notebook 7 and VS Code name the cell they ask for; nbclient does not
    request = getattr(shell, "parent_header", None) or {}
    return "cellId" in request.get("metadata", {})


class Progress:
    """One line that says which state is drawn: on a terminal or in front of a person, else none.

    In a notebook the line ends as the weight of the output, since a line that is taken away
    again would leave an empty output behind.
    """

    def __init__(self, states: int) -> None:
        self.terminal = sys.stderr is not None and sys.stderr.isatty()
        self.notebook = not self.terminal and front_end()
        self.handle: Any = None

    def __enter__(self) -> Progress:
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


def ipywidgets() -> Any:
    try:
        return importlib.import_module("ipywidgets")
    except ImportError:
        raise ImportError("live=True needs ipywidgets: pip install ipywidgets") from None


def live_widget(draw: Draw, grid: Mapping[str, list[Any]], begin: tuple[Any, ...]) -> Any:
    """Sliders and switches that draw anew: only what ipywidgets 7.7 has as well as 8."""
    widgets = ipywidgets()
    controls = []
    for (name, values), value in zip(grid.items(), begin, strict=True):
        kind = {type(value) for value in values}
        how: dict[str, Any] = {"description": name.replace("_", " ")}
        if ordered(values):
            how["continuous_update"] = False
        if len(values) > 1 and kind == {int}:
            how |= {"min": min(values), "max": max(values), "step": math.gcd(*values) or 1}
            control = widgets.IntSlider(value=value, **how)
        elif len(values) > 1 and kind <= {int, float} and all(map(math.isfinite, values)):
            low, high = min(values), max(values)
            how |= {"min": low, "max": high, "step": (high - low) / 100, "readout_format": ".3g"}
            control = widgets.FloatSlider(value=value, **how)
        else:
            options = list(zip(labels_of(name, values), values, strict=True))
            make = widgets.SelectionSlider if ordered(values) else widgets.ToggleButtons
            control = make(value=value, options=options, **how)
        controls.append(control)
    shown = widgets.HTML()

    def show(_: object = None) -> None:
        state = {name: control.value for name, control in zip(grid, controls, strict=True)}
        where = "state " + ", ".join(f"{name}={value!r}" for name, value in state.items())
        try:
            svg, sentence = draw_state(draw, state, where)
        except Exception as error:  # a callback has nobody else to tell
            svg, sentence = "<svg></svg>", str(error)
        own = f"rl-live-{id(shown)}-"
        shown.value = (
            f"<style>{static_text('explore.css')}</style><div class='rl-explorer'>"
            f"{figure_html(svg.replace(OWN, own), sentence)}</div>"
        )

    for control in controls:
        control.observe(show, names="value")
    show()
    return widgets.VBox([*controls, shown])
