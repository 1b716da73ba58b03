"""The house of the library: floors, wings, no import circle, short modules, public names."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from types import FunctionType

import pytest
from importlinter.cli import lint_imports

import robustlib
from robustlib import book

ROOT = Path(robustlib.__file__).parent
PROJECT = ROOT.parent
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")

MAX_LINES = 300


def test_imports_keep_the_contracts_of_pyproject() -> None:
    """Floors, wings and circles, as ``[tool.importlinter]`` has them."""
    assert lint_imports(no_cache=True, no_logo=True) == 0


def drawing() -> str:
    """The floors of the contract in pyproject, from the top: each room, and what it says it is."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    lines = []
    for number, layer in zip(range(len(layers))[::-1], layers, strict=True):
        for k, room in enumerate(re.split(r" [:|] ", layer)):
            text = ast.get_docstring(ast.parse(file_of(room).read_text(encoding="utf-8"))) or ""
            floor = f"floor {number}" if k == 0 else ""
            lines.append(f"{floor:<9}{room:<14}{text.splitlines()[0]}")
    return "\n".join(lines)


def file_of(room: str) -> Path:
    package = ROOT / room / "__init__.py"
    return package if package.exists() else ROOT / f"{room}.py"


def test_contributing_shows_the_floors() -> None:
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```text\n{drawing()}\n```" in page, f"put this into CONTRIBUTING.md:\n{drawing()}"


USE = """
import sys, torch, robustlib as rl
assert sum(name.split(".")[0] == "robustlib" for name in sys.modules) <= 64
rl.adversarial_training, rl.TwoLayerNet, rl.digits, rl.PGD, rl.SphereCap, rl.PseudoHuber
print(sum(name.split(".")[0] == "robustlib" for name in sys.modules))
for name in rl.__all__:
    getattr(rl, name)
print(*({"matplotlib", "scipy.stats", "robustlib.book"} & set(sys.modules)))
"""


def test_the_library_loads_what_is_asked_for_and_nothing_of_the_book() -> None:
    done = subprocess.run(
        [sys.executable, "-c", USE], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    used, strangers = done.stdout.splitlines()
    assert int(used) <= 64
    assert strangers == ""


def test_quick_touches_every_room() -> None:
    """`make quick` runs a file of tests for each room of the library."""
    (listed,) = re.findall(r"^QUICK := (.*?[^\\])$", MAKEFILE, re.M | re.S)
    files = [PROJECT / name for name in listed.replace("\\\n", " ").split()]
    assert all(path.is_file() for path in files)
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    rooms = {path.stem for path in ROOT.iterdir() if not path.name.startswith("_")} - {"py"}
    missing = {room for room in rooms if not re.search(rf"\brobustlib[. ].*\b{room}\b", text)}
    assert missing == set()


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
RECORDS = {"Evidence", "Explorer", "Interpolator", "Regret", "Trajectory"}


def public_callables() -> Iterator[tuple[str, object]]:
    """Every public class and function, and the public methods that such a class defines."""
    for name in sorted({*robustlib.__all__, *book.__all__}):
        value = getattr(robustlib if name in robustlib.__all__ else book, name)
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
