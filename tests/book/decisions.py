"""Run claims and record every comparison that they make: how far each was from falling otherwise.

python tests/book/decisions.py FOLDER [ID ...]

Writes one JSON file a claim into FOLDER: its lines in the ledger, and its comparisons in order.
The modules of the claims are compiled with each comparison ``a < b`` replaced by a call that
notes a - b, so that no claim has to say where its thresholds are.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import json
import operator
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import torch

PACKAGE = "robustlib.book.claims"
ENGINE = {f"{PACKAGE}.registry", f"{PACKAGE}.ledger"}  # what they compare is not the claim's
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
BY_NAME = {kind.__name__: function for kind, function in COMPARISONS.items()}
LONGEST = 2000  # numbers of a comparison of arrays that are kept

seen: list[tuple[str, list[float]]] = []  # comparisons of the claim that is running


def distances(left: Any, right: Any) -> list[float] | None:
    """``left - right`` as numbers, None where one of them is not a number or an array of them."""
    for side in (left, right):
        if not isinstance(side, int | float | np.generic | np.ndarray | torch.Tensor):
            return None
    sides = [torch.as_tensor(side).detach().cpu().to(torch.float64) for side in (left, right)]
    return (sides[0] - sides[1]).flatten()[:LONGEST].tolist()


def decide(place: str, names: str, *values: Any) -> Any:
    """The comparison as Python makes it, noted; a chain ends at its first false link."""
    answer: Any = True
    for name, left, right in zip(names.split(), values, values[1:], strict=False):
        found = distances(left, right)
        if found is not None:
            seen.append((place, found))
        answer = BY_NAME[name](left, right)
        if len(values) > 2 and not answer:
            break
    return answer


class Noted(ast.NodeTransformer):
    """Comparisons by size or equality become calls of :func:`decide`."""

    def __init__(self, module: str) -> None:
        self.module = module

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if not all(type(kind) in COMPARISONS for kind in node.ops):
            return node
        names = " ".join(type(kind).__name__ for kind in node.ops)
        given = [ast.Constant(f"{self.module}:{node.lineno}"), ast.Constant(names)]
        call = ast.Call(ast.Name("_decide", ast.Load()), [*given, node.left, *node.comparators], [])
        return ast.copy_location(call, node)


class Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module with its comparisons noted, past any stored bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        noted = Noted(fullname.rpartition(".")[2]).visit(tree)
        return compile(ast.fix_missing_locations(noted), self.path, "exec")

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["_decide"] = decide
        super().exec_module(module)


class Finder(importlib.abc.MetaPathFinder):
    """Gives the claims' modules, but for their engine, to :class:`Loader`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if not name.startswith(f"{PACKAGE}.") or name in ENGINE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.origin is not None:
            spec.loader = Loader(name, spec.origin)
        return spec


def main(folder: Path, ids: Sequence[str]) -> None:
    sys.meta_path.insert(0, Finder())
    from robustlib.book.claims import check, claims, ledger_page

    for id in ids or [found.id for found in claims()]:
        seen.clear()
        page = ledger_page([check(id)])
        (folder / f"{id}.json").write_text(json.dumps({"page": page, "seen": seen}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
