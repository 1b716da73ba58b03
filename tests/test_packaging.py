"""What leaves the repository: the wheel, its extras, and the workflows that make them."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Modules whose package has another name.
PACKAGES = {
    "importlinter": "import-linter",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "PIL": "pillow",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves files beside its sources."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "robustlib", copy / "robustlib", ignore=skip)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(copy / "out"), str(copy)], check=True)
    (built,) = (copy / "out").glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("robustlib/")}
    tracked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "robustlib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == tracked


def test_the_wheel_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    program = (
        "import robustlib as rl, sys; from robustlib.__main__ import main\n"
        "assert 'site' in rl.__file__, rl.__file__\n"
        "print(rl.hexagon().n, len([getattr(rl, name) for name in rl.__all__]) > 50)\n"
        "sys.exit(main(['doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "empty",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("6 True\n")
    assert done.stdout.endswith("The library has what it needs.\n")


def test_the_extra_for_tests_names_all_that_they_import() -> None:
    named = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    for extra in ("sweep", "cluster"):
        named += PROJECT["optional-dependencies"][extra]
    known = {re.split(r"[<>=\[]", name)[0].lower() for name in named}
    tests = [
        p
        for p in (ROOT / "tests").rglob("*.py")
        if "book" not in p.parts and p.name != "mutants.py"  # which has an environment of its own
    ]
    ours = [*tests, *(ROOT / "teaching").glob("*.py")]
    beside = {p.stem for p in ours} | {p.parent.name for p in ours} | set(sys.stdlib_module_names)
    for path in tests:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [name.name for name in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for module in (m.split(".")[0] for m in modules):
                package = PACKAGES.get(module, module.replace("_", "-"))
                assert module in beside or package in known, f"{path.name} imports {module}"


def test_the_oldest_versions_promised_are_those_tested() -> None:
    row = runpy.run_path(str(ROOT / "tests" / "versions.py"))["MATRIX"]["oldest"]
    assert PROJECT["requires-python"] == f">={row.python}"
    promised = dict(re.findall(r"^([\w-]+)>=(.+)$", "\n".join(PROJECT["dependencies"]), re.M))
    tested = dict(pin.split("==") for pin in row.pins)
    assert promised == {name: ".".join(v.split(".")[:2]) for name, v in tested.items()}


def test_actions_are_pinned_by_digest() -> None:
    """A tag can be moved to other code; a digest cannot."""
    workflows = list((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [line for p in workflows for line in re.findall(r"uses: .*", p.read_text("utf-8"))]
    assert len(used) >= 5
    for line in used:
        assert re.fullmatch(r"uses: [\w/-]+@[0-9a-f]{40}  # v[\d.]+", line), line


def test_the_workflow_of_versions_has_the_rows_of_the_script() -> None:
    text = (ROOT / ".github" / "workflows" / "versions.yml").read_text(encoding="utf-8")
    listed = re.findall(r'\{row: ([\w.-]+), python: "([\d.]+)"\}', text)
    rows = runpy.run_path(str(ROOT / "tests" / "versions.py"))["MATRIX"]
    assert listed == [(name, row.python) for name, row in rows.items()]
