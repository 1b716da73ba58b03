"""The API reference: every public name once, signatures that are Python's, examples that run."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import sklearn.datasets
from layout import ROOT, pages_of_the_book
from test_links import targets

import robustlib
import robustlib.book

sys.path.insert(0, str(ROOT / "_ext"))

from reference import mentioned, names_of, words
from reference.source import entry, public

FOLDER = ROOT / "chapters" / "reference"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
EXAMPLE = re.compile(
    r"^```\{api\} (\w+)\n(?::gives: ([^\n]*)\n)?```\n\n```python\n(.*?)```\n\n```text\n(.*?)```\n",
    re.DOTALL | re.MULTILINE,
)
EXAMPLES = {found[0]: found for page in PAGES.values() for found in EXAMPLE.findall(page)}


def held(name: str) -> object:
    return getattr(sys.modules[public()[name]], name)


def test_every_public_name_is_in_exactly_one_group() -> None:
    names = [name for page in PAGES.values() for name in names_of(page)]
    constants = {name for name in robustlib.book.__all__ if name.isupper()}
    assert set(public()) == {*robustlib.__all__, *robustlib.book.__all__} - constants
    assert sorted(names) == sorted(public())
    overview = (ROOT / "chapters" / "reference.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^```\{apilist\} (\w+)$", overview, re.M)) == sorted(PAGES)
    in_book = {page for page in pages_of_the_book() if page.startswith("chapters/reference/")}
    assert in_book == {f"chapters/reference/{page}" for page in PAGES}


def parameters(function: object) -> list[tuple[str, str, bool]]:
    """Name and kind of each argument, and whether it has a default."""
    known = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(p.name, p.kind.name, p.default is not p.empty) for p in known]


@pytest.mark.parametrize("name", public())
def test_signature_and_text_are_those_that_python_knows(name: str) -> None:
    known, thing = entry(name), held(name)
    assert known.docstring == inspect.getdoc(thing)
    if not known.signature:  # of a class that nobody makes
        assert inspect.isabstract(thing) or getattr(thing, "_is_protocol", False)
        return
    module = ast.parse(f"def f{known.signature.partition(' -> ')[0]}: ...")
    for node in ast.walk(module):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.arguments):  # what a default is: its text says
            node.defaults = [ast.Constant(0) for _ in node.defaults]
            node.kw_defaults = [default and ast.Constant(0) for default in node.kw_defaults]
    made: dict[str, object] = {}
    exec(compile(ast.fix_missing_locations(module), "signature", "exec"), made)
    assert parameters(made["f"]) == parameters(thing)


def defaults() -> Iterator[tuple[str, str, object, object]]:
    """Every default that is a literal, as the page has it and as Python has it."""
    for name in public():
        real = inspect.signature(held(name)).parameters  # type: ignore[arg-type]
        signature = entry(name).signature
        (node,) = ast.parse(f"def f{signature.partition(' -> ')[0] or '()'}: ...").body
        assert isinstance(node, ast.FunctionDef)
        given = node.args
        plain = given.args[len(given.args) - len(given.defaults) :]
        pairs = [*zip(plain, given.defaults), *zip(given.kwonlyargs, given.kw_defaults)]  # noqa: B905
        for arg, default in pairs:
            if isinstance(default, ast.Constant):
                yield name, arg.arg, default.value, real[arg.arg].default


def test_defaults_are_those_that_python_knows() -> None:
    found = list(defaults())
    assert len(found) > 80
    assert [case for case in found if case[2] != case[3]] == []


def test_fields_and_members_are_there() -> None:
    for name in public():
        thing = held(name)
        if inspect.isclass(thing):
            fields = [field.partition(":")[0] for field in entry(name).fields(fixed=False)]
            members = [call.partition("(")[0] for call in entry(name).members]
            known = {*dir(thing), *getattr(thing, "__dataclass_fields__", ())}
            known |= set(getattr(thing, "__annotations__", ())) | {"", "d", "bias"}
            assert {*fields, *members} <= known, name


def fetched(name: str, **_: object) -> SimpleNamespace:
    """What openml.org would send: as many columns, random numbers."""
    x = np.random.default_rng(0).integers(1, 256, size=(100, 784)).astype(np.float64)
    return SimpleNamespace(data=x, target=np.array(["3", "8"] * 50, dtype=object))


def run(name: str, code: str) -> dict[str, object]:
    module = ModuleType("reference_example")
    exec(compile(code, f"example of {name}", "exec"), module.__dict__)
    return module.__dict__


def test_every_name_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(
        first for page in PAGES.values() for first in re.findall(r"^```\{api\} (\w+)$", page, re.M)
    )
    for name, _, code, _ in EXAMPLES.values():
        lines = [line for line in code.splitlines() if line.strip()]
        assert 2 <= len(lines) <= 12, name
        assert max(map(len, code.splitlines())) <= 92, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_prints_what_stands_below_it(
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.delenv("ROBUSTLIB_BUDGET", raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetched)
    registry = sys.modules["robustlib.book.claims.registry"]
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    _, gives, code, printed = EXAMPLES[name]
    with mpl.rc_context():
        found = run(name, code)
    assert capsys.readouterr().out == printed
    assert re.search(rf"\b{name}\b", re.sub(r"(?m)^from .* import .*$", "", code)), "not shown"
    for result in gives.split():
        made = any(isinstance(value, held(result)) for value in found.values())  # type: ignore[arg-type]
        assert made or f"{result}(" in code, f"no {result} is made"


def test_docstrings_are_read_as_they_are_written() -> None:
    text = "*Random*: ``PGD`` at |W_*| <= 2 * R, see :func:`regret`; L_*(W_*) and ``grid``."
    found = words(text, {"grid"})
    assert "".join(node.astext() for node in found) == re.sub(r"``|`|:func:|\*(?=Ran|:)", "", text)
    kinds = [type(node).__name__ for node in found if type(node).__name__ != "Text"]
    assert kinds == ["emphasis", "literal", "literal", "literal"]
    codes = [node for node in found if type(node).__name__ == "literal"]
    assert [mentioned(code) for code in codes] == ["PGD", "regret", None]  # type: ignore[arg-type]


def test_chapters_lead_to_the_entries(site: Path) -> None:
    """Many do, once a section at most; headings, cells and editions have no such link."""
    found = 0
    for page in pages_of_the_book():
        html = (site / f"{page}.html").read_text(encoding="utf-8")
        links = re.findall(r'<a class="reference internal" href="([^"]*)"[^>]*><code', html)
        entries = [link for link in links if "#robustlib." in link]
        found += bool(entries) and not page.startswith("chapters/reference")
        assert not re.search(r"<h\d>(?:(?!</h\d>).)*#robustlib\.", html)
        assert not re.search(r"<pre>(?:(?!</pre>).)*#robustlib\.", html, re.DOTALL)
    assert found >= 10
    anchors = targets(site / "chapters" / "reference" / "attack.html").anchors
    assert {"robustlib.PGD", "robustlib.Diagnosis"} <= anchors
