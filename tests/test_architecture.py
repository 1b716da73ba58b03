"""The house of the library: floors, wings, no import circle, short modules, public names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

import robustlib

ROOT = Path(robustlib.__file__).parent
TOP = "__init__"

# A file imports from floors below its own, or from its own floor where that makes no circle.
# A package stands on one floor with all its files.
FLOORS = {
    "numerics": 0,
    "activations": 1,
    "losses": 1,
    "samples": 1,
    "_openml": 1,
    "perturbations": 1,
    "networks": 1,
    "solvers": 1,
    "attacks": 2,
    "kernels": 2,
    "bounds": 2,
    "robust_loss": 3,
    "checkpoints": 3,
    "comparison": 3,
    "trajectory": 3,
    "training": 3,
    "diagnose": 3,
    "expressivity": 3,
    "capacity": 4,
    "regret": 4,
    "sweeps": 4,
    "claims": 5,
    "__main__": 5,
    TOP: 6,
}
# Beside the floors: these know nothing of the theory, only what is listed here.
BESIDE = {
    "_svg": {"numerics"},
    "_page": {"numerics", "_svg"},
    "_live": {"numerics", "_svg", "_page"},
    "explore": {"numerics", "_svg", "_page", "_live"},
    "assignments": {"numerics"},
}
WINGS = ({"attacks"}, {"kernels"})  # neither imports the other
MAX_LINES = 300
# Files still above it; the mark is strict, so that a file leaves this list once it is short.
TOO_LONG: set[str] = set()

Graph = dict[str, set[str]]


def read_graph(root: Path) -> Graph:
    """What every module of the package at ``root`` imports from it: dotted names inside it.

    Imports in functions and under TYPE_CHECKING count: a name that is known is known.
    """
    modules = {dotted(p.relative_to(root)): p for p in sorted(root.rglob("*.py"))}
    return {
        name: {t for t in targets(name, path, set(modules), root.name) if t != name}
        for name, path in modules.items()
    }


def dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == TOP and len(parts) > 1 else parts)


def targets(name: str, path: Path, modules: set[str], package: str) -> Iterator[str]:
    place = [] if name == TOP else name.split(".")
    if place and path.stem != TOP:
        place.pop()  # a package is its own place, a file stands in one
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head, _, rest = alias.name.partition(".")
                if head == package:
                    yield rest or TOP
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = place[: len(place) - node.level + 1] + base
            elif base and base[0] == package:
                base = base[1:]
            else:
                continue
            for alias in node.names:
                full = ".".join([*base, alias.name])
                yield full if full in modules else ".".join(base) or TOP


def unit(module: str) -> str:
    """The file or package of the top level that ``module`` belongs to."""
    return module.partition(".")[0]


def complaints(graph: Graph) -> list[str]:
    """What is wrong with the import graph, one sentence each."""
    found = []
    for module, imported in graph.items():
        here = unit(module)
        if here not in FLOORS and here not in BESIDE:
            found.append(f"{module} stands on no floor: add it to FLOORS or BESIDE")
            continue
        for other in sorted(imported):
            there = unit(other)
            if here == there:
                continue
            if here in BESIDE:
                if there not in BESIDE[here]:
                    found.append(f"{module} stands beside the floors but imports {other}")
            elif here != TOP and there in BESIDE:
                found.append(f"{module} imports {other}, which stands beside the floors")
            elif there in FLOORS and FLOORS[there] > FLOORS[here]:
                found.append(
                    f"{module} (floor {FLOORS[here]}) imports {other} (floor {FLOORS[there]})"
                )
            for one, two in (WINGS, WINGS[::-1]):
                if here in one and there in two:
                    found.append(f"{module} imports {other}: these wings do not know each other")
    return found + [" -> ".join(circle) + " is a circle" for circle in circles(graph)]


def circles(graph: Graph) -> list[list[str]]:
    """One circle of imports for each that a depth-first walk closes."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def drawing(graph: Graph) -> str:
    """The graph as text: floors from the top, each module with what it imports."""

    def line(module: str) -> str:
        return f"    {module:28} -> {', '.join(sorted(graph[module])) or 'nothing'}"

    lines = []
    for floor in sorted(set(FLOORS.values()), reverse=True):
        here = sorted(m for m in graph if FLOORS.get(unit(m)) == floor)
        if here:
            lines += [f"floor {floor}", *map(line, here)]
    return "\n".join([*lines, "beside", *(line(m) for m in graph if unit(m) not in FLOORS)])


def test_imports_go_down_the_floors_without_a_circle() -> None:
    graph = read_graph(ROOT)
    print("\n" + drawing(graph))  # shown with -s and on failure
    assert not complaints(graph)


WRONG = [
    ("losses.py", "from .training import x", "losses (floor 1) imports training (floor 3)"),
    ("losses.py", "def f():\n    from . import training", "losses (floor 1) imports training"),
    ("attacks/base.py", "from ..training import x", "attacks.base (floor 2) imports training"),
    ("attacks/base.py", "from ..kernels.finite import x", "these wings do not know each other"),
    ("attacks/base.py", "from .simple import x", "attacks.base -> attacks.simple -> attacks.base"),
    ("kernels/finite.py", "import robustlib.attacks.base", "these wings do not know each other"),
    ("explore.py", "from robustlib.losses import x", "explore stands beside the floors but"),
    ("training.py", "from .explore import x", "training imports explore, which stands beside"),
    ("networks.py", "from . import Sample", "networks (floor 1) imports __init__ (floor 6)"),
    ("networks.py", "from .losses import x", "losses -> networks -> losses is a circle"),
    ("novel.py", "", "novel stands on no floor"),
]


@pytest.mark.parametrize(("file", "code", "complaint"), WRONG, ids=[w[2] for w in WRONG])
def test_a_wrong_import_is_found(tmp_path: Path, file: str, code: str, complaint: str) -> None:
    good = {
        "__init__.py": "from .losses import x\nfrom .explore import y\nfrom .attacks import z",
        "numerics.py": "import torch",
        "losses.py": "from .numerics import x\nfrom .networks import x",
        "networks.py": "from . import numerics",
        "attacks/__init__.py": "from .base import x\nfrom .simple import y",
        "attacks/base.py": "from .. import numerics\nfrom ..losses import x",
        "attacks/simple.py": "from .base import x",
        "kernels/__init__.py": "",
        "kernels/finite.py": "from ..networks import x",
        "training.py": "from .attacks.base import x",
        "explore.py": "from robustlib.numerics import x",
    }
    root = tmp_path / "robustlib"
    for name, text in good.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert complaints(read_graph(root)) == []
    (root / file).write_text(good.get(file, "") + "\n" + code)
    assert any(complaint in c for c in complaints(read_graph(root)))


def each_module() -> Iterator[object]:
    long = pytest.mark.xfail(strict=True, reason=f"longer than {MAX_LINES} lines: split it")
    for path in sorted(ROOT.rglob("*.py")):
        name = dotted(path.relative_to(ROOT))
        yield pytest.param(path, id=name, marks=[long] if name in TOO_LONG else [])


@pytest.mark.parametrize("path", list(each_module()))
def test_modules_are_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


# --- public names ------------------------------------------------------------------------------

# Parameters with a default that may be passed by position, because that reads well.
POSITIONAL = {
    "digits": {"classes", "n", "seed"},
    "caps": {"seed"},
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
}
# Results: what the library fills in and hands out; their fields are no options.
RECORDS = {"Evidence", "Explorer", "Trajectory"}


def public_callables() -> Iterator[tuple[str, object]]:
    """Every public class and function, and the public methods that such a class defines."""
    for name in robustlib.__all__:
        value = getattr(robustlib, name)
        if not isinstance(value, type | FunctionType):
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


def test_all_lists_every_public_name_once_and_in_order() -> None:
    assert sorted(set(robustlib.__all__)) == sorted(robustlib.__all__)
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    imported = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(imported) == sorted(robustlib.__all__)


@pytest.mark.parametrize(("name", "value"), CALLABLES, ids=[c[0] for c in CALLABLES])
def test_public_names_have_a_docstring(name: str, value: object) -> None:
    text = inspect.getdoc(value) or ""
    assert len(text.split()) >= 3, f"{name} needs a docstring"
    # what dataclasses write where there is none
    assert not text.startswith(f"{name}("), f"{name} has only its signature for a docstring"


@pytest.mark.parametrize(("name", "value"), CALLABLES, ids=[c[0] for c in CALLABLES])
def test_options_are_keyword_only(name: str, value: object) -> None:
    if not callable(value) or name in RECORDS:
        return
    allowed = POSITIONAL.get(name, set()) | POSITIONAL.get(name.rpartition(".")[2], set())
    for parameter in inspect.signature(value).parameters.values():
        if parameter.default is inspect.Parameter.empty or parameter.name in allowed:
            continue
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{name}({parameter})"
