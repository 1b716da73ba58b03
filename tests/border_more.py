"""What is public without standing in ``robustlib/__init__.pyi``, as functions with named arguments.

The course's helpers for notebooks and assignments, arguments that a name does not show (``grid``
takes any), the runs of a stack, and nets so wide that their outputs are summed in tiles.
``border_calls`` adds them to everything public.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from matplotlib.figure import Figure

import robustlib as rl
from robustlib import book
from robustlib.book import assignments
from robustlib.book.claims import registry
from robustlib.networks.streams import large

Maker = Callable[[], Any]


# --- settings and runs ---------------------------------------------------------------------------


def grid(width: Any, seed: Any) -> Any:
    """Settings of two axes."""
    return rl.grid(width=width, seed=seed)


@functools.cache
def _runs() -> Any:
    nets = [rl.linearize(rl.TwoLayerNet(2, 4, activation="softplus", seed=k)) for k in (0, 1)]
    return rl.train_many(
        nets,
        rl.hexagon().to(dtype=torch.float32),
        perturbation=rl.L2Ball(0.1),
        attack=rl.NoAttack(),
        loss=rl.PseudoHuber(),
        step_size=0.1,
        steps=2,
        progress=False,
    )


def run_of(place: Any) -> Any:
    """One run of a stack, or several."""
    found = _runs()[place]
    return [r.surrogate_loss for r in (found if isinstance(found, list) else [found])]


# --- the course's wing ---------------------------------------------------------------------------


def drawn(**state: Any) -> tuple[Figure, str]:
    """A picture of nothing, and a sentence that names the state."""
    return Figure(figsize=(1, 1)), f"The state is {state!r}."[:200]


def explore(draw: Any, radius: Any, kind: Any, begin: Any = None, live: Any = False) -> Any:
    """An explorer of two controls: sentences and page, and what its sliders show."""
    made = book.explore(draw, begin=begin, live=live, radius=radius, kind=kind)
    shown = made.widget().children[-1].value.partition("<figcaption")[2] if made.widget else ""
    return dict(made.sentences), made.begin, made.html, shown


def claim(id: Any, statement: Any, title: Any, chapter: Any, run: Any) -> str:
    """Register a claim, and forget it again."""
    known = dict(registry._REGISTRY)
    try:
        book.claim(id, statement=statement, title=title, chapter=chapter)(run)
        return str(registry._REGISTRY[id])
    finally:
        registry._REGISTRY.clear()
        registry._REGISTRY.update(known)


def check(id: Any, budget: Any = None, device: Any = None) -> Any:
    """The verdict on one claim, without its seconds."""
    verdict = book.check(id, budget=budget, device=device)
    return verdict.status if device is not None else [verdict.status, verdict.rows()]


def table(header: Any, rows: Any) -> str:
    """A table of texts of one row."""
    return repr(book.table(header, rows))


def assumptions(rows: Any) -> str:
    """The table of one hypothesis."""
    return repr(book.assumptions(rows))


def constants(rows: Any) -> str:
    """The table of one constant."""
    return repr(book.constants(rows))


def answered(number: Any, answer: Any, seed: Any = 0) -> str:
    """What the check of an assignment says of an answer."""
    return repr(assignments.check(number, answer, seed=seed))


def worst_margin(w: Any, x: Any, y: Any, eps: Any, norm: Any) -> Any:
    """An answer to task 1.2, right for one of the three norms."""
    return y * (x @ w) - eps * w.abs().sum()


# --- wide nets -----------------------------------------------------------------------------------


@functools.cache
def _wide(dtype: torch.dtype) -> rl.TwoLayerNet:
    net = rl.TwoLayerNet(2, 2**15, activation="softplus").to(dtype)
    assert large(rl.hexagon().to(dtype=dtype).x, net.width)
    return net


@torch.no_grad()
def wide_outputs(x: Any) -> Any:
    """Outputs that are summed in tiles."""
    return _wide(torch.float64)(x)


def wide_gradient(x: Any) -> Any:
    """Input gradients that are summed in tiles."""
    return _wide(torch.float64).input_gradient(x)


def wide_attack(x: Any, y: Any, perturbation: Any, steps: Any) -> Any:
    """An attack that asks for them."""
    attack = rl.PGD(steps=steps)
    return attack(_wide(torch.float64), x, y, perturbation=perturbation, loss=rl.PseudoHuber())


def wide_training(sample: Any, radius: Any, step_size: Any, steps: Any) -> Any:
    """Two steps of training with gradients in the weights that are summed in tiles."""
    run = rl.adversarial_training(
        _wide(torch.float64),
        sample,
        perturbation=rl.L2Ball(0.1),
        attack=rl.NoAttack(),
        loss=rl.PseudoHuber(),
        step_size=step_size,
        steps=steps,
        radius=radius,
        progress=False,
    )
    return run.surrogate_loss, run.drift


def _functions() -> dict[str, Callable[..., Any]]:
    wide = (wide_outputs, wide_gradient, wide_attack, wide_training)
    course = (explore, claim, check, table, assumptions, constants, answered)
    found: dict[str, Any] = {f.__name__: f for f in (grid, run_of, *course, *wide)}
    return found | {"idea": book.idea}


MORE = _functions()

# --- what their arguments are --------------------------------------------------------------------

_ROW = ("label smoothing", "none", "no change")
HERE: dict[str, dict[str, tuple[str, Maker]]] = {
    "grid": {"width": ("list", lambda: [2, 4]), "seed": ("list", lambda: [0])},
    "run_of": {"place": ("place", lambda: 1)},
    "explore": {
        "draw": ("function", lambda: drawn),
        "radius": ("list", lambda: [0.1, 0.2]),
        "kind": ("list", lambda: ["up", "down"]),
        "begin": ("begin?", lambda: {"radius": 0.2}),
        "live": ("flag", lambda: True),
    },
    "claim": {
        "id": ("text", lambda: "an id"),
        "statement": ("text", lambda: "thm-none"),
        "title": ("text", lambda: "a title"),
        "chapter": ("text", lambda: "01-robust-loss"),
        "run": ("function", lambda: lambda budget: None),
    },
    "check": {
        "id": ("choice", lambda: "sandwich"),
        "budget": ("choice?", lambda: "smoke"),
        "device": ("device?", lambda: "cpu"),
    },
    "table": {"header": ("row", lambda: _ROW), "rows": ("row", lambda: _ROW)},
    "assumptions": {"rows": ("row", lambda: _ROW)},
    "constants": {"rows": ("row", lambda: ("m", "width", 4.0))},
    "answered": {
        "number": ("choice", lambda: "1.2"),
        "answer": ("function", lambda: worst_margin),
    },
    "idea": {"name": ("choice", lambda: "lift")},
    "wide_training": {"radius": ("real?", lambda: 1.0)},
    "wide_outputs": {"x": ("floats", lambda: rl.hexagon().x)},
    "wide_gradient": {"x": ("floats", lambda: rl.hexagon().x)},
}
# Options that a valid call gives besides those without a default.
GIVEN: dict[str, tuple[str, ...]] = {"check": ("budget",)}
