"""Mutation testing: which small changes of the library do its tests not notice?

    make mutants MODULE=attacks            # a room, or one module: MODULE=attacks/gradient.py
    make mutants MODULE=attacks DRAW=100   # that many changes, drawn by a seed

Cosmic-ray finds the places and makes the changes; one change a place, and none of those that the
parser, or a reader of annotations and docstrings alone, would notice. Each change is tried in a
copy of the repository by the tests that execute the changed line, the quickest first. What was
tried is kept in ``_build/mutants``: stopped anywhere, the same command goes on.
Survivors that no test can tell from the original stand in ``tests/equivalent.toml`` with a reason.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "_build" / "mutants"
SECONDS = 120  # of tests for one change


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", help="a room of robustlib, or a module below it")
    parser.add_argument("--python", required=True, help="the interpreter that runs the tests")
    parser.add_argument("--draw", type=int, default=60, help="how many changes (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--file", help=argparse.SUPPRESS)  # a worker's changed file
    options = parser.parse_args()
    if options.file:
        return _try(Path(options.module), options.file, options.python)
    sources = sorted(_sources(options.module))
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:12]
    place = FOLDER / f"{options.module.replace('/', '.')}-{options.draw}-{options.seed}-{digest}"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        _prepare(place, sources, options)
    shards = sorted(place.glob("shard*"))
    running = [
        subprocess.Popen(
            [_tool("cosmic-ray"), "exec", "../session.toml", "../" + shard.name + ".sqlite"],
            cwd=shard,
            stdout=subprocess.DEVNULL,
        )
        for shard in (s for s in shards if s.is_dir())
    ]
    failed = [process.wait() for process in running]
    if any(failed):
        print("cosmic-ray stopped; the same command goes on from here", file=sys.stderr)
        return 1
    return _report(place, options.module)


def _sources(module: str) -> Iterator[Path]:
    path = ROOT / "robustlib" / module
    if path.is_dir():
        yield from (p for p in path.rglob("*.py") if p.name != "__init__.py")
    elif path.with_suffix(".py").is_file():
        yield path.with_suffix(".py")
    else:
        raise SystemExit(f"robustlib has no {module}; say attacks, or attacks/gradient.py")


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


# Preparation: which tests execute which line, which changes to try, one copy for each process.


def _prepare(place: Path, sources: list[Path], options: argparse.Namespace) -> None:
    place.mkdir(parents=True)
    _measure_tests(place, options)
    (place / "session.toml").write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps([str(p.relative_to(ROOT)) for p in sources])}\n"
        f"timeout = {SECONDS + 60}.0\n"
        "excluded-modules = []\n"
        f'test-command = "{sys.executable} {Path(__file__)} {place} --python {options.python}'
        ' --file ."\n'
        '[cosmic-ray.distributor]\nname = "local"\n',
        encoding="utf-8",
    )
    whole = place / "whole.sqlite"
    subprocess.run(
        [_tool("cosmic-ray"), "init", str(place / "session.toml"), str(whole)], cwd=ROOT, check=True
    )
    drawn = _draw(whole, options.draw, options.seed)
    for k in range(options.workers):
        copy = place / f"shard{k}"
        shutil.copytree(
            ROOT,
            copy,
            ignore=shutil.ignore_patterns("_build", ".venv", ".git", "__pycache__", ".*_cache"),
        )
        shutil.copyfile(whole, place / f"shard{k}.sqlite")
        _keep(place / f"shard{k}.sqlite", drawn[k :: options.workers])
    (place / "ready").touch()


def _measure_tests(place: Path, options: argparse.Namespace) -> None:
    """The tests that execute each line, as coverage.py records them, and the time of each."""
    (place / "coverage.ini").write_text(
        f"[run]\nsource = robustlib\ndata_file = {place / 'coverage'}\n"
        "dynamic_context = test_function\n",
        encoding="utf-8",
    )
    subprocess.run(
        [
            *(options.python, "-m", "coverage", "run", "--rcfile", str(place / "coverage.ini")),
            *("-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"),
            f"--junitxml={place / 'times.xml'}",
            *_tests(options.module),
        ],
        cwd=ROOT,
        env=_environment(),
        check=True,
    )


def _tests(module: str) -> list[str]:
    """The tests that belong to a room or module: of its name, and those of bad input."""
    room, name = module.split("/")[0].removesuffix(".py"), Path(module).stem
    found = [f"tests/{room}"] if (ROOT / "tests" / room).is_dir() else []
    found += [f"tests/test_{n}.py" for n in dict.fromkeys((room, name))]
    return [t for t in (*found, "tests/test_bad_input.py") if (ROOT / t).exists()]


def _environment() -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(threads, "1"), "ROBUSTLIB_BUDGET": "laptop"}


def _draw(session: Path, count: int, seed: int) -> list[str]:
    """Up to ``count`` changes: places in a random order, at each the first change that counts."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    places: dict[tuple[str, int, int, int, int], list[tuple[str, int, str]]] = defaultdict(list)
    with sqlite3.connect(session) as data:
        for path, operator, occurrence, *where, job in data.execute(
            "select module_path, operator_name, occurrence, start_pos_row, start_pos_col, "
            "end_pos_row, end_pos_col, job_id from mutation_specs"
        ):
            places[path, *where].append((operator, occurrence, job))
    shuffle = random.Random(seed)
    order = sorted(places)
    shuffle.shuffle(order)
    drawn: list[str] = []
    for place in order:
        changes = sorted(places[place])
        shuffle.shuffle(changes)
        code = (ROOT / place[0]).read_text(encoding="utf-8")
        for operator, occurrence, job in changes:
            if _counts(code, mutate_code(code, get_operator(operator)(), occurrence)):
                drawn.append(job)
                break
        if len(drawn) == count:
            break
    return drawn


def _counts(before: str, after: str | None) -> bool:
    """Whether ``after`` is another program: it can be parsed, and does not differ in words alone.

    Cosmic-ray takes the bare ``*`` before keyword-only arguments for a product, for example.
    """
    try:
        return after is not None and _program(before) != _program(after)
    except SyntaxError:
        return False


class _Bare(ast.NodeTransformer):
    """Without annotations and docstrings, which no test can notice."""

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                setattr(node, field, ast.Constant(None))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
        return node


def _program(code: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(code)))


def _keep(session: Path, jobs: list[str]) -> None:
    with sqlite3.connect(session) as data:
        for table in ("work_items", "mutation_specs"):
            marks = ",".join("?" * len(jobs))
            data.execute(f"delete from {table} where job_id not in ({marks})", jobs)


# One change, in its copy: cosmic-ray has changed one file and asks whether the tests notice.


def _try(place: Path, copy: str, python: str) -> int:
    shard = Path(copy).resolve()
    changed = [
        (path, number)
        for path in tomllib.loads((place / "session.toml").read_text())["cosmic-ray"]["module-path"]
        for number in _changed_lines((ROOT / path), shard / path)
    ]
    if not changed:
        return 0
    tests = _tests_of(place, changed)
    command = [python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    environment = {**_environment(), "PYTHONPATH": str(shard), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run([*command, *tests], cwd=shard, env=environment, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 1  # normally they take half of that: a loop without end is noticed
    return done.returncode


def _changed_lines(before: Path, after: Path) -> Iterator[int]:
    pairs = zip(before.read_text().splitlines(), after.read_text().splitlines(), strict=False)
    yield from (k for k, (old, new) in enumerate(pairs, 1) if old != new)


def _tests_of(place: Path, lines: list[tuple[str, int]]) -> list[str]:
    """The tests that execute the lines, quickest first, up to the limit of time."""
    import xml.etree.ElementTree as Tree

    from coverage import CoverageData

    data = CoverageData(basename=str(place / "coverage"))
    data.read()
    contexts = set()
    for path, number in lines:
        by_line = data.contexts_by_lineno(str(ROOT / path))
        first = max((k for k in by_line if k <= number), default=0)  # of a statement of many lines
        contexts.update(c for c in by_line.get(first, []) if c)
    times: dict[str, float] = defaultdict(float)
    files = {}
    for case in Tree.parse(place / "times.xml").iter("testcase"):
        module, name = case.attrib["classname"], case.attrib["name"].split("[")[0]
        times[f"{module}.{name}"] += float(case.attrib["time"])
        files[f"{module}.{name}"] = f"{module.replace('.', '/')}.py::{name}"
    everywhere = not contexts  # executed at import, or by nothing: any test may notice
    known = [
        (time, name)
        for name, time in times.items()
        if everywhere or any(_same(c, name) for c in contexts)
    ]
    chosen, spent = [], 0.0
    for time, name in sorted(known):
        spent += time
        if chosen and spent > SECONDS / 2:
            break
        chosen.append(files[name])
    return chosen


def _same(context: str, name: str) -> bool:
    """Coverage names a test by its module as imported, junit by its path from the root."""
    return name == context or name.endswith("." + context)


def _report(place: Path, module: str) -> int:
    with (ROOT / "tests" / "equivalent.toml").open("rb") as file:
        equivalent = tomllib.load(file)["equivalent"]
    known = {(e["module"], e["diff"].strip()): e["reason"] for e in equivalent}
    killed, alike, alive = 0, 0, []
    for session in place.glob("shard*.sqlite"):
        with sqlite3.connect(session) as data:
            rows = data.execute(
                "select module_path, start_pos_row, test_outcome, diff from work_results "
                "join mutation_specs using (job_id)"
            ).fetchall()
        for path, row, outcome, diff in rows:
            changed = [
                x for x in diff.splitlines() if x[:1] in "+-" and x[:3] not in ("+++", "---")
            ]
            if outcome.lower() != "survived":
                killed += 1
            elif (path, "\n".join(changed)) in known:
                alike += 1
            else:
                alive.append((path, row, changed))
    for path, row, changed in sorted(alive):
        print(f"{path}:{row}", *changed, sep="\n  ")
    told = killed + len(alive)
    share = 100 * killed / max(told, 1)
    print(f"{module}: {killed} of {told} noticed ({share:.0f} %), {alike} equivalent")
    return 0


if __name__ == "__main__":
    sys.exit(main())
