"""Mutation testing: which small changes of the library do its tests not notice?

    make mutants MODULE=attacks            # a room, or one module: MODULE=attacks/gradient.py
    make mutants MODULE=attacks DRAW=100   # that many changes, drawn by a seed

Cosmic-ray finds the places and makes the changes; one change a place, and none of those that the
parser, or a reader of annotations and docstrings alone, would notice. A draw of 100 begins with
the draw of 60. Each change is tried in a copy of the repository by the tests that execute the
changed line, the quickest first: ``tests/mutants_try.py`` does that.
What was tried is kept in ``_build/mutants``: stopped anywhere, the same command goes on, and
survivors are tried again when the tests have changed.
Survivors that no test can tell from the original stand in ``tests/equivalent.toml`` with a reason.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "_build" / "mutants"
# Tests that belong to a room though their names do not say so.
ALSO = {
    "book": [
        "tests/claims",
        "tests/test_explore.py",
        "tests/test_ideas.py",
        "tests/book/assignments/test_tasks.py",
    ],
    "checks": ["tests/test_sentences.py"],
    "commands": ["tests/test_bench.py", "tests/test_gpu.py"],
    "networks": ["tests/test_streams.py", "tests/training/test_stacks.py"],
    "samples": ["tests/test_own_data.py"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", help="a room of robustlib, or a module below it")
    parser.add_argument("--python", required=True, help="the interpreter that runs the tests")
    parser.add_argument("--draw", type=int, default=60, help="how many changes (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--report", action="store_true", help="try nothing, tell what is known")
    options = parser.parse_args()
    sources = sorted(_sources(options.module))
    place = FOLDER / options.module.replace("/", ".")
    place.mkdir(parents=True, exist_ok=True)
    changes = _drawn(place, sources, options.draw, options.seed)
    if not options.report:
        _try(place, sources, changes, options)
    return _report(place, changes, options.module)


def _sources(module: str) -> Iterator[Path]:
    path = ROOT / "robustlib" / module
    if path.is_dir():
        yield from (p for p in path.rglob("*.py") if p.name != "__init__.py")
    elif path.with_suffix(".py").is_file():
        yield path.with_suffix(".py")
    else:
        raise SystemExit(f"robustlib has no {module}; say attacks, or attacks/gradient.py")


# Which changes. The rank of a place depends on its line alone: what is edited elsewhere leaves
# the draw as it is.

Change = dict[str, object]


def _rank(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()


def _drawn(place: Path, sources: list[Path], count: int, seed: int) -> list[Change]:
    """Up to ``count`` changes: places in a random order, at each the first change that counts."""
    digest = _rank(seed, count, [(str(p), p.read_text(encoding="utf-8")) for p in sources])[:12]
    kept = place / f"drawn-{digest}.json"
    if kept.exists():
        found: list[Change] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    ranked = []
    for path in sources:
        code, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        lines, seen = code.splitlines(), Counter[object]()
        for (row, column, last, end), ways in sorted(_places(code).items()):
            line = (name, lines[row - 1].strip(), column, last - row, end)
            seen[line] += 1
            ranked.append((_rank(seed, line, seen[line]), path, row, ways))
    changes: list[Change] = []
    for rank, path, number, ways in sorted(ranked, key=lambda place: place[0]):
        code = path.read_text(encoding="utf-8")
        for operator, occurrence in sorted(ways, key=lambda way: _rank(rank, way[0])):
            changed = _mutate(code, operator, occurrence)
            if changed is not None and _counts(code, changed):
                name = str(path.relative_to(ROOT))
                diff = _diff(code, changed)
                key = _rank(name, code, changed)[:16]
                row = {"key": key, "path": name, "line": number, "diff": diff, "code": changed}
                changes.append(row)
                break
        if len(changes) == count:
            break
    kept.write_text(json.dumps(changes), encoding="utf-8")
    return changes


def _places(code: str) -> dict[tuple[int, int, int, int], list[tuple[str, int]]]:
    """From positions to the changes there, each as operator and occurrence."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes = list(ast_nodes(get_ast(code)))
    places = defaultdict(list)
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():
            continue
        operator, occurrence = kind(), 0
        for node in nodes:
            for begin, end in operator.mutation_positions(node):
                places[*begin, *end].append((name, occurrence))
                occurrence += 1
    return places


def _mutate(code: str, operator: str, occurrence: int) -> str | None:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    changed: str | None = mutate_code(code, get_operator(operator)(), occurrence)
    return changed


def _diff(before: str, after: str) -> str:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
    return "\n".join(x for x in lines[2:] if x[:1] in "+-")


def _counts(before: str, after: str) -> bool:
    """Whether ``after`` is another program: it can be parsed, and does not differ in words alone.

    Cosmic-ray takes the bare ``*`` before keyword-only arguments for a product, for example.
    """
    try:
        compile(after, "changed", "exec")
        return _program(before) != _program(after)
    except SyntaxError:
        return False


class _Bare(ast.NodeTransformer):
    """Without annotations, docstrings and ``@final``, which no test can notice."""

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            marks = [d for d in node.decorator_list if getattr(d, "id", "") != "final"]
            node.decorator_list = marks
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, ast.Constant(None))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
        return node


def _program(code: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(code)))


# Trying them.


def _try(
    place: Path, sources: list[Path], changes: list[Change], options: argparse.Namespace
) -> None:
    tests = _tests(options.module)
    digest = _rank([(str(t), (ROOT / t).read_text(encoding="utf-8")) for t in tests])[:12]
    known = _results(place)
    left = [
        change
        for change in changes
        if (row := known.get(str(change["key"]))) is None
        or (row["outcome"] in ("survived", "no test") and row["tests"] != digest)
    ]
    if not left:
        return
    plan = {
        "place": str(place),
        "sources": [str(p.relative_to(ROOT)) for p in sources],
        "tests": tests,
        "digest": digest,
    }
    running = []
    for k in range(min(options.workers, len(left))):
        copy = place / f"copy{k}"
        shutil.rmtree(copy, ignore_errors=True)
        unwanted = ("_build", ".venv*", ".git", "__pycache__", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*unwanted), symlinks=True)
        file = place / f"plan{k}.json"
        own = plan | {"copy": str(copy), "changes": left[k :: options.workers]}
        file.write_text(json.dumps(own), encoding="utf-8")
        command = [options.python, str(ROOT / "tests" / "mutants_try.py")]
        if k == 0:
            subprocess.run([*command, "measure", str(file)], env=_environment(), check=True)
        running.append(subprocess.Popen([*command, "try", str(file)], env=_environment()))
    if sum(process.wait() for process in running):
        raise SystemExit("stopped; the same command goes on from here")


def _tests(module: str) -> list[str]:
    """The files of tests of a room or module: of its name, and of bad input."""
    room, name = module.split("/")[0].removesuffix(".py"), Path(module).stem
    own = [] if room == "book" else [f"tests/{room}"]  # tests/book looks at built pages
    places = [*own, *(f"tests/test_{n}.py" for n in (room, name)), *ALSO.get(room, [])]
    files: list[str] = []
    for place in (*places, "tests/test_bad_input.py"):
        path = ROOT / place
        found = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
        files += [str(p.relative_to(ROOT)) for p in found if p.exists()]
    return list(dict.fromkeys(files))


def _environment() -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(threads, "1"), "ROBUSTLIB_BUDGET": "laptop"}


# What was found.


def _results(place: Path) -> dict[str, Change]:
    """By key, what was found last."""
    file = place / "results.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return {row["key"]: row for row in map(json.loads, text.splitlines())}


def _report(place: Path, changes: list[Change], module: str) -> int:
    with (ROOT / "tests" / "equivalent.toml").open("rb") as file:
        equivalent = tomllib.load(file)["equivalent"]
    alike = {(e["module"], e["diff"].strip()) for e in equivalent}
    known = _results(place)
    count = Counter[str]()
    for change in sorted(changes, key=lambda change: (change["path"], change["line"])):
        row = known.get(str(change["key"]))
        outcome = str(row["outcome"]) if row else "not tried"
        if outcome in ("survived", "no test"):
            outcome = "survived"
            if (change["path"], change["diff"]) in alike:
                outcome = "equivalent"
            else:
                print(
                    f"{change['path']}:{change['line']}",
                    *str(change["diff"]).splitlines(),
                    sep="\n  ",
                )
        count[outcome] += 1
    told, open_ = count["killed"] + count["survived"], count["not tried"]
    # those tried so far are no sample: the order is that of what was wanted first
    score = f"{open_} not tried" if open_ else f"score {100 * count['killed'] / max(told, 1):.1f} %"
    print(
        f"{module}: {len(changes)} drawn, {count['killed']} noticed, "
        f"{count['time']} ended by time, {count['equivalent']} equivalent, "
        f"{count['survived']} survived, {score}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
