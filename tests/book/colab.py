"""Run the editions for Colab as a reader does there, in Colab's versions of August 2026.

python tests/book/colab.py [--python PYTHON3.13] [--workers N] [EDITION ...]

Makes an environment with what Colab brings and no robustlib, kept in _build/colab-env, and runs
every edition of _build/colab/chapters alone in an empty folder, its first cell included. Fails
where a cell fails, where an output says something else than in the book, and where a package is
changed. Only Colab's front end is missing here. The editions without solutions have the same
code cells up to the first solution and no others, as a test makes sure of.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from layout import ROOT, files_of_the_repository
from outputs import Shown, differences, shown
from pictures import Picture

EDITIONS = ROOT / "_build" / "colab" / "chapters"
ENVIRONMENT = ROOT / "_build" / "colab-env"
PYTHON = "python3.13"
FRONT_END = ["ipywidgets==7.7.1", "ipython==7.34.0", "ipykernel==6.17.1"]
VERSIONS = [
    *FRONT_END,
    *("torch==2.11.0", "numpy==2.1.3", "scipy==1.16.3", "matplotlib==3.10.0"),
    *("scikit-learn==1.6.1", "tqdm==4.67.3", "setuptools==75.2.0"),
    *("traitlets==5.7.1", "jupyter_client==7.4.9", "tornado==6.5.7", "pyzmq==26.2.1"),
    "lazy-loader",  # comes to Colab with its scikit-image
]


def pip(python: Path, *arguments: str) -> str:
    """What pip says; raises with its complaint where it fails."""
    command = [python, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip {arguments[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def install(python: Path, *requirements: str) -> None:
    pip(python, "install", "-q", *requirements, *shlex.split(os.environ.get("PIP_ARGS", "")))


def new_environment(folder: Path, interpreter: str) -> Path:
    """The interpreter of a new virtual environment."""
    subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
    return folder / "bin" / "python"


def colab_environment(interpreter: str) -> Path:
    """Colab's packages on this interpreter and no robustlib, from an earlier run where it fits."""
    stamp, asked = ENVIRONMENT / "versions.json", json.dumps([interpreter, *VERSIONS])
    python = ENVIRONMENT / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != asked:
        print("setting up what Colab brings, several gigabytes", flush=True)
        install(new_environment(ENVIRONMENT, interpreter), *VERSIONS)
        stamp.write_text(asked, encoding="utf-8")
    pip(python, "uninstall", "-q", "-y", "robustlib")
    return python


def snapshot(folder: Path) -> str:
    """This working tree, committed or not, as a git repository that pip can install from."""
    repository = folder / "robustlib"
    for name in files_of_the_repository():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, repository / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "snapshot"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    return f"git+file://{repository}"


def freeze(python: Path) -> set[str]:
    return set(pip(python, "freeze").splitlines())


def changed_packages(python: Path, before: set[str]) -> set[str]:
    """What is installed otherwise than before, robustlib excepted."""
    changed = freeze(python) ^ before
    return {line for line in changed if not line.startswith("robustlib @ git+file://")}


def run(edition: Path, python: Path, source: str, folder: Path) -> dict[str, list[Shown]]:
    """What the cells of an edition show when it runs alone in an empty folder."""
    kernel = folder / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "colab", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    content = folder / "content"
    content.mkdir()
    copy = content / edition.name
    shutil.copyfile(edition, copy)
    environment = os.environ | {
        "JUPYTER_PATH": str(folder / "jupyter"),
        "ROBUSTLIB_SOURCE": source,
    }
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "book" / "execute.py", "--kernel", "colab", copy],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{edition.stem} does not run:\n{done.stderr.strip()[-2000:]}")
    return shown(copy)


def different_texts(edition: Path, found: dict[str, list[Shown]]) -> list[str]:
    """Texts that are not the book's; pictures come from another matplotlib and are passed over."""

    def texts(parts: list[Shown]) -> list[Shown]:
        return [part for part in parts if not isinstance(part, Picture)]

    return [
        f"cell {id}:\n  stored  {old}\n  found   {new}"
        for id, stored in shown(edition).items()
        for old, new in differences(texts(stored), texts(found[id]))
    ]


def check(edition: Path, python: Path, source: str) -> list[str]:
    """What is wrong with one edition."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            wrong = different_texts(edition, run(edition, python, source, Path(folder)))
        except RuntimeError as error:
            wrong = [str(error)]
    print(f"{edition.stem}: {'; '.join(wrong) or 'as in the book'}", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="editions (default: all)")
    parser.add_argument("--python", default=PYTHON, help=f"interpreter (default: {PYTHON})")
    parser.add_argument("--workers", type=int, default=1, help="processes at once")
    options = parser.parse_args()
    editions = sorted(
        p for p in EDITIONS.glob("*.ipynb") if p.stem in options.names or not options.names
    )
    if not editions or not all(edition.exists() for edition in editions):
        parser.error(f"no such edition in {EDITIONS.relative_to(ROOT)}: run `make colab` first")
    ask = [options.python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        version = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
    except OSError:
        version = ""
    if version != "3.13":
        parser.error(f"{options.python} is {version or 'not here'}, and Colab has Python 3.13")
    python = colab_environment(options.python)
    before = freeze(python)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as pool:
        source = snapshot(Path(folder))
        # the first edition installs robustlib for all
        wrong = check(editions[0], python, source)
        for more in pool.map(lambda edition: check(edition, python, source), editions[1:]):
            wrong += more
    changed = changed_packages(python, before)
    if changed:
        print(f"packages changed: {', '.join(sorted(changed))}")
    print(f"{len(editions)} editions in Colab's versions: {len(wrong)} faults")
    return 1 if wrong or changed else 0


if __name__ == "__main__":
    sys.exit(main())
