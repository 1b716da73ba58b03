"""Options that commands share: each means the same wherever it is offered."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

from ..checks import check_device, check_integer
from ..files import check_target, replace
from ..numerics import BUDGETS, budget, device_of
from .wrong import WrongCall

# One meaning each; scripts rely on them.
STATUS = {
    0: "all is right",
    1: "what was run failed, or a claim does not hold",
    2: "the call is wrong, or a file cannot be read or written",
    3: "there is no GPU",
    130: "interrupted; what was kept is named",
}
_HELP = {
    "--device": "where tensors are: cpu, cuda, cuda:1",
    "--budget": "how much work: smoke takes seconds, laptop is the book's, gpu is more",
    "--seed": "of all that is drawn at random",
    "--out": "write the result to FILE, whole or not at all, as its ending says",
}
_DEFAULTS = {
    "--device": "a GPU for the budget gpu where there is one, else cpu",
    "--budget": "ROBUSTLIB_BUDGET, else laptop",
    "--seed": "0",
    "--out": "nothing is written",
}
_HOW: dict[str, dict[str, Any]] = {
    "--device": {"metavar": "NAME"},
    "--budget": {"choices": BUDGETS},
    "--seed": {"type": int, "metavar": "N"},
    "--out": {"type": Path, "metavar": "FILE"},
}


def parser(commands: Any, name: str, *, does: str, long: str, example: str) -> Any:
    """A command whose ``--help`` says what it does, shows a call with what comes out, and codes."""
    codes = "; ".join(f"{code} {words}" for code, words in STATUS.items())
    return commands.add_parser(
        name,
        help=does,
        description=long,
        epilog=f"example:\n{example}\n\nexit status: {codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def share(
    run: Any, *names: str, forms: tuple[str, ...] = (".json",), defaults: bool = True
) -> None:
    """Offer shared options: ``forms`` are the endings that ``--out`` takes.

    Without ``defaults`` what is not given stays None, and a device need not be there.
    """
    for name in names:
        words = _HELP[name] + (f": {' or '.join(forms)}" if name == "--out" else "")
        words += f" (default: {_DEFAULTS[name] if defaults or name == '--out' else 'none'})"
        run.add_argument(name, help=words, **_HOW[name])
    run.set_defaults(forms=forms, defaults=defaults)


def settle(options: argparse.Namespace) -> None:
    """Check what is shared and fill in its defaults, before any work.

    Raises ``WrongCall``, ``ValueError`` or ``TypeError``.
    """
    given = vars(options)
    if "seed" in given and options.seed is not None:
        check_integer("--seed", options.seed, minimum=0)
    if "out" in given and options.out is not None:
        if options.out.suffix not in options.forms:
            raise WrongCall(f"--out must end in {' or '.join(options.forms)}, got {options.out}")
        check_target("--out", options.out)
    if not options.defaults:
        return
    if "budget" in given:
        options.budget = options.budget or budget()
    if "device" in given:
        size = given.get("budget") or "laptop"
        options.device = there(options.device) if options.device else device_of(size)
    if "seed" in given:
        options.seed = options.seed or 0


def check_page(path: Path | None) -> None:
    """Raise where ``--page`` is given and is no file for a page."""
    if path is not None:
        if path.suffix != ".md":
            raise WrongCall(f"--page must end in .md, got {path}")
        check_target("--page", path)


def there(name: str) -> torch.device:
    """The device of that name, which this machine must have."""
    found = check_device("--device", name)
    try:
        torch.empty(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError):  # torch's ways to miss a device
        raise WrongCall(f"--device must be one of this machine, got {name!r}") from None
    return found


def write_json(path: Path, value: object) -> None:
    """Write ``value``, whole or not at all: a killed run must not leave half a file."""
    replace(path, [(json.dumps(plain(value), indent=1) + "\n").encode()])


def kept(path: Path | None, option: str, words: str) -> str:
    """What an interrupted command says of the file ``path`` that ``option`` named."""
    if path is None:
        return f"nothing is kept without {option}"
    return words if path.exists() else f"nothing was finished yet, so there is no {path}"


def plain(value: object) -> object:
    """``value`` in types that JSON knows; NaN and infinities are texts."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
