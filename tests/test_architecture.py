"""The house of the library: floors, wings, no import circle, short modules, public names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from types import FunctionType

import pytest
from importlinter.cli import lint_imports

import robustlib
from robustlib import book

ROOT = Path(robustlib.__file__).parent

MAX_LINES = 300


def test_imports_keep_the_contracts_of_pyproject() -> None:
    """Floors, wings and circles, as ``[tool.importlinter]`` has them."""
    assert lint_imports(no_cache=True, no_logo=True) == 0


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


# --- public names ------------------------------------------------------------------------------

# Parameters with a default that may be passed by position, because that reads well.
POSITIONAL = {
    "digits": {"classes", "n", "seed"},
    "two_caps": {"seed"},
    "sphere": {"seed"},
    "openml": {"name"},
    "Sample.split": {"seed"},
    "Sample.to": {"device", "dtype"},
    "contains": {"tol"},
    "ntk": {"z"},
    "nngp": {"z"},
    "empirical_ntk": {"z"},
    "store_gram": {"z"},
    "check_shattering": {"model_class"},
    "Parity": {"power"},
}
# Results: what the library fills in and hands out; their fields are no options.
RECORDS = {"Evidence", "Explorer", "Trajectory"}


def public_callables() -> Iterator[tuple[str, object]]:
    """Every public class and function, and the public methods that such a class defines."""
    for name, value in sorted({**vars(robustlib), **vars(book)}.items()):
        if name.startswith("_") or not isinstance(value, type | FunctionType):
            continue
        yield name, value
        if not isinstance(value, type) or getattr(value, "_is_protocol", False):
            continue  # a protocol's docstring speaks of all its members
        for key, member in vars(value).items():
            if key.startswith("_"):
                continue
            if isinstance(member, property):
                yield f"{name}.{key}", member
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                yield f"{name}.{key}", getattr(value, key)


CALLABLES = list(public_callables())


@pytest.mark.parametrize(("name", "value"), CALLABLES, ids=[c[0] for c in CALLABLES])
def test_public_names_have_a_docstring(name: str, value: object) -> None:
    text = inspect.getdoc(value) or ""
    assert len(text.split()) >= 3, f"{name} needs a docstring"
    # what dataclasses write where there is none
    assert not text.startswith(f"{name}("), f"{name} has only its signature for a docstring"


@pytest.mark.parametrize(("name", "value"), CALLABLES, ids=[c[0] for c in CALLABLES])
def test_options_are_keyword_only(name: str, value: object) -> None:
    if not callable(value) or name in RECORDS or isinstance(value, EnumMeta):
        return
    allowed = POSITIONAL.get(name, set()) | POSITIONAL.get(name.rpartition(".")[2], set())
    for parameter in inspect.signature(value).parameters.values():
        if parameter.default is inspect.Parameter.empty or parameter.name in allowed:
            continue
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{name}({parameter})"
