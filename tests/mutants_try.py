"""The warm half of ``tests/mutants.py``: tries changes of the library, a fork for each.

    python tests/mutants_try.py measure PLAN     # which tests execute which lines, and their time
    python tests/mutants_try.py try PLAN         # the changes of the plan, results as they come

This process imports torch, scipy and pytest once, and nothing of ours. A child imports what the
changed file makes of the library, runs tests, and stops at the first that fails.
Time is the child's own CPU time, so that a busy machine kills no change.
"""

from __future__ import annotations

import ast
import compileall
import contextlib
import gc
import hashlib
import importlib
import json
import os
import py_compile
import resource
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BUDGET = 10.0  # seconds of tests for one change, as measured with the original
ENDED = 3  # exit status of a child that a test ended
# What torch and scipy import only when asked, and tests do ask.
WARM = """
    torch torch.func torch._dynamo torch.nn.utils numpy scipy.linalg scipy.optimize scipy.special
    scipy.sparse.linalg scipy.integrate scipy.stats hypothesis hypothesis.strategies coverage
    xml.etree.ElementTree multiprocessing concurrent.futures tqdm joblib matplotlib sympy sklearn
    lazy_loader _pytest.skipping _pytest.unittest _pytest.junitxml _pytest.tracemalloc pdb
    _pytest.unraisableexception _pytest.threadexception _pytest.warnings _pytest.faulthandler
    _pytest.helpconfig _pytest.pastebin _pytest.setuponly _pytest.setupplan _pytest._argcomplete
"""


def main() -> int:
    what, plan = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    for name in WARM.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    if len(os.listdir("/proc/self/task")) > 1:
        print("a second thread runs, which no fork would have", file=sys.stderr)
        return 1
    os.chdir(plan["copy"])
    sys.path[:] = [plan["copy"], *(p for p in sys.path if p != str(Path(__file__).parent))]
    os.environ["PYTHONPATH"] = plan["copy"]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()  # pytest collects garbage twice, and need not look at all this
    (_measure if what == "measure" else _try)(plan)
    return 0


# A child and its tests.


def _child(work: Callable[[], int], log: Path, wall: float) -> tuple[int, float]:
    """The status that ``waitpid`` gives for ``work`` in a fork, and its seconds of CPU."""
    begun = time.monotonic()
    process = os.fork()
    if not process:
        os.setpgrp()  # not a session of its own, which would have a new priority
        with log.open("w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
        status = 99
        try:
            status = work()
        finally:
            sys.stdout.flush()
            os._exit(status)
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begun > wall:
            os.killpg(process, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # what the tests themselves started
    return status, usage.ru_utime + usage.ru_stime


def _pytest(plan: dict[str, Any], files: list[str], plugin: object | None) -> int:
    fixed = ["-q", "--tb=short", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(
        pytest.main(
            [*fixed, "-p", "no:cacheprovider", f"--basetemp={plan['place']}/tmp", *files],
            [plugin] if plugin else [],
        )
    )


class _Recorder:
    """Lines and seconds of every test, and of the fixtures that it shares with others."""

    def __init__(self, sources: list[str]) -> None:
        from coverage import Coverage

        self.cover = Coverage(data_file=None, config_file=False, include=sources)
        self.cover.start()
        self.sources = sources
        self.seconds: dict[str, float] = defaultdict(float)
        self.fixtures: dict[str, list[str]] = {}
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.fixtures[item.nodeid] = list(getattr(item, "fixturenames", ()))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.current = item.nodeid
        self.cover.switch_context(item.nodeid)
        begun = time.process_time()
        result = yield
        self.seconds[item.nodeid] += time.process_time() - begun
        return result  # type: ignore[return-value]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[object]:
        if fixturedef.scope == "function":
            return (yield)
        name = f"fixture {fixturedef.argname}"
        self.cover.switch_context(name)
        result = yield
        self.cover.switch_context(self.current)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    def result(self) -> dict[str, object]:
        self.cover.stop()
        data = self.cover.get_data()
        lines: dict[str, dict[str, list[int]]] = defaultdict(dict)
        here = os.getcwd() + "/"
        for source in data.measured_files():
            for line, contexts in data.contexts_by_lineno(source).items():
                for context in contexts:
                    lines[context].setdefault(source.removeprefix(here), []).append(line)
        tests = {}
        for name, seconds in self.seconds.items():
            if name in self.failed:
                print("fails with the original, left out:", name)
                continue
            own: dict[str, set[int]] = defaultdict(set)
            for context in (name, *(f"fixture {f}" for f in self.fixtures[name])):
                for source, numbers in lines.get(context, {}).items():
                    own[source].update(numbers)
            tests[name] = [round(seconds, 3), {s: sorted(n) for s, n in own.items()}]
        return tests


def _measure(plan: dict[str, Any]) -> None:
    """Adds to ``coverage.json`` what it lacks, by file of tests."""
    place = Path(plan["place"])
    kept = place / "coverage.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    sources = [str(Path(plan["copy"]) / s) for s in plan["sources"]]
    common = b"".join(Path(s).read_bytes() for s in sources)
    for file in plan["tests"]:
        digest = hashlib.sha256(common + Path(file).read_bytes()).hexdigest()
        if known.get(file, {}).get("digest") == digest:
            continue
        print(f"measuring {file}", flush=True)
        answer = place / "measured.json"
        answer.unlink(missing_ok=True)

        def work(file: str = file, answer: Path = answer) -> int:
            recorder = _Recorder(sources)
            status = _pytest(plan, [file], recorder)
            answer.write_text(json.dumps(recorder.result()))
            return status

        _child(work, place / "measure.log", 3600)
        for line in (place / "measure.log").read_text().splitlines():
            if "left out" in line:
                print(line)
        if not answer.exists():
            print((place / "measure.log").read_text()[-3000:])
            raise SystemExit(f"{file} could not be measured")
        known[file] = {"digest": digest, "tests": json.loads(answer.read_text())}
        kept.write_text(json.dumps(known))


class _Chosen:
    """Runs the chosen tests in their order, each within its time, to the first that fails."""

    def __init__(self, plan: dict[str, Any], chosen: dict[str, float], answer: Path) -> None:
        self.plan, self.chosen, self.answer = plan, chosen, answer

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        import robustlib

        assert str(robustlib.__file__).startswith(self.plan["copy"]), robustlib.__file__
        order = {name: k for k, name in enumerate(self.chosen)}
        items[:] = sorted(
            (i for i in items if i.nodeid in order), key=lambda item: order[item.nodeid]
        )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.answer.write_text(nodeid)
        signal.setitimer(signal.ITIMER_PROF, 5 + 5 * self.chosen[nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            print(report.longreprtext[-2000:], flush=True)
            os._exit(ENDED)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        sys.stdout.flush()
        os._exit(int(exitstatus))


# One change after the other.


def _try(plan: dict[str, Any]) -> None:
    place, copy = Path(plan["place"]), Path(plan["copy"])
    known = json.loads((place / "coverage.json").read_text())
    compileall.compile_dir(copy / "robustlib", quiet=2)
    collected = place / "collect.log"  # which compiles the tests
    _child(lambda: _pytest(plan, ["--collect-only", *plan["tests"]], None), collected, 600)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with (place / "results.jsonl").open("a") as results:
        for change in plan["changes"]:
            target = copy / change["path"]
            original = target.read_text(encoding="utf-8")
            chosen, all_of_them = _tests_of(known, change, original)
            outcome, by, why, seconds = "no test", "", "", 0.0
            if chosen:
                for stale in target.parent.glob(f"__pycache__/{target.stem}.*"):
                    stale.unlink()
                target.write_text(change["code"], encoding="utf-8")
                try:
                    outcome, by, why, seconds = _outcome(plan, chosen)
                finally:
                    target.write_text(original, encoding="utf-8")
                    py_compile.compile(str(target))
            row = {k: change[k] for k in ("key", "path", "line", "diff")}
            row |= {"outcome": outcome, "by": by, "why": why, "all": all_of_them}
            results.write(json.dumps(row | {"tests": plan["digest"]}) + "\n")
            results.flush()
            shown = " | ".join(change["diff"].splitlines())
            print(
                f"{outcome} {seconds:.1f} s {change['path']}:{change['line']} {shown}", flush=True
            )


def _outcome(plan: dict[str, Any], chosen: dict[str, float]) -> tuple[str, str, str, float]:
    """What became of the change, at which test, the last lines said there, and seconds of CPU."""
    answer = Path(plan["copy"]).with_suffix(".answer")
    answer.write_text("")
    files = list(dict.fromkeys(name.split("::")[0] for name in chosen))

    def work() -> int:
        signal.setitimer(signal.ITIMER_PROF, 30)  # for the import
        return _pytest(plan, files, _Chosen(plan, chosen, answer))

    log = Path(plan["copy"]).with_suffix(".log")
    shutil.rmtree(Path(plan["copy"]) / ".hypothesis", ignore_errors=True)
    status, seconds = _child(work, log, 300 + 20 * sum(chosen.values()))
    by, why = answer.read_text(), log.read_text(errors="replace")[-300:]
    if os.WIFSIGNALED(status):
        timed = os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGKILL)
        return ("time" if timed else "killed"), by, why, seconds
    return ("survived" if os.WEXITSTATUS(status) == 0 else "killed"), by, why, seconds


def _tests_of(
    known: dict[str, Any], change: dict[str, Any], code: str
) -> tuple[dict[str, float], bool]:
    """The tests that execute the line, quickest first, up to the budget; whether these are all."""
    tests = {name: row for file in known.values() for name, row in file["tests"].items()}
    for wanted in _widening(code, change["line"]):
        found = {
            name: seconds
            for name, (seconds, lines) in tests.items()
            if wanted.intersection(lines.get(change["path"], ()))
        }
        if found:
            break
    # Quickest first, but tests of a file together where they take about the same.
    order = sorted(found, key=lambda n: (int(found[n] * 50), n.split("::")[0], found[n]))
    chosen: dict[str, float] = {}
    spent = 0.0
    for name in order:
        spent += found[name]
        if chosen and spent > BUDGET:
            return chosen, False
        chosen[name] = found[name]
    return chosen, True


def _widening(code: str, line: int) -> Iterator[set[int]]:
    """Lines whose tests may notice: of the statement, of what it names, of what is around it."""
    tree = ast.parse(code)
    around = [
        n for n in ast.walk(tree) if isinstance(n, ast.stmt) and _first(n) <= line <= n.end_lineno
    ]
    around.sort(key=lambda n: n.end_lineno - _first(n))
    inside = any(isinstance(n, ast.FunctionDef) and n.body[0].lineno <= line for n in around)
    if around and inside:
        body = getattr(around[0], "body", None)
        last = body[0].lineno - 1 if body else around[0].end_lineno
        yield set(range(_first(around[0]), max(last, line) + 1))
    elif around and isinstance(around[0], ast.Assign | ast.AnnAssign):
        targets = getattr(around[0], "targets", None) or [around[0].target]
        named = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        yield {
            n.lineno
            for n in ast.walk(tree)
            if (isinstance(n, ast.Name) and n.id in named)
            or (isinstance(n, ast.Attribute) and n.attr in named)
        }
    for node in around:
        body = getattr(node, "body", None)
        yield set(range(body[0].lineno if body else _first(node), node.end_lineno + 1))
    yield set(range(1, code.count("\n") + 2))


def _first(node: ast.AST) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


if __name__ == "__main__":
    sys.exit(main())
