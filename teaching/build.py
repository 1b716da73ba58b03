"""Builds the assignments from their sources: python teaching/build.py [NAME ...].

otter splits each source in a student's notebook and one with solutions, and runs its tests on the
solutions. What otter leaves in the student's copy for itself is taken out: it is a plain notebook.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import zipfile
from html import escape
from pathlib import Path
from typing import Any

import nbformat
import yaml
from pages import markdown, page

from robustlib.commands.wrong import Parser

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "chapters" / "assignments"
STUDENT = SOURCES / "student"
STAMPS = STUDENT / "stamps.json"
OUT = ROOT / "_build" / "assignments"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
GRADER = ("child", "confine", "session", "submission", "feedback", "grade", "gradescope")


def student_copy(made: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """otter's student notebook without what is otter's, and with ids that do not change."""
    cells, task = [], ""
    for cell in made.cells:
        source = cell.source.replace("<!-- BEGIN QUESTION -->", "")
        cell.source = source.replace("<!-- END QUESTION -->", "").strip("\n")
        if not cell.source:
            continue
        if cell.source.startswith("## "):
            task = cell.id.removesuffix("-text")
        if cell.source.startswith("_Type your answer here"):
            cell.id = f"{task}-yours"
        kept = [tag for tag in cell.metadata.get("tags", []) if not tag.startswith("otter")]
        cell.metadata = nbformat.from_dict({"tags": kept} if kept else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def stamp(path: Path) -> str:
    """The digest of a notebook's content, whatever the spaces in its file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def split(source: Path, folder: Path) -> tuple[nbformat.NotebookNode, Path, Path]:
    """What otter makes of a source: the student's notebook, that with solutions, the bundle."""
    shutil.copy(source, folder / source.name)
    command = [sys.executable, "-m", "otter", "assign", source.name, "made", "--no-pdfs"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    if done.returncode:
        raise SystemExit(
            f"otter refused {source.name}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    made = nbformat.read(folder / "made" / "student" / source.name, as_version=4)
    (bundle,) = (folder / "made" / "autograder").glob("*.zip")
    return made, folder / "made" / "autograder" / source.name, bundle


def solution_page(notebook: Path) -> str:
    """The notebook with its solutions as a page that stands alone."""
    text, body = markdown(), ""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            body += text.render(re.sub("<!--.*?-->", "", cell.source))
        elif cell.cell_type == "code":
            body += f"<pre>{escape(cell.source)}</pre>\n"
    style = "body { font: 1rem/1.5 sans-serif; max-width: 46rem; margin: 2rem auto } "
    style += "pre { background: #f4f4f4; padding: .5rem; overflow-x: auto }"
    return page(f"Solutions: {notebook.stem}", f"<main>{body}</main>", style)


def gradescope(stem: str, target: Path, address: str) -> None:
    """A zip for Gradescope: our grader, which judges outside of the submission's process."""
    setup = f'#!/usr/bin/env bash\nset -e\npip3 install $PIP_ARGS "robustlib @ git+{address}"\n'
    run = "#!/usr/bin/env bash\npython3 /autograder/source/gradescope.py /autograder\n"
    setting = {"assignment": stem, "seed": secrets.randbits(60)}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in (
            ("setup.sh", setup),
            ("run_autograder", run),
            ("setting.json", json.dumps(setting)),
        ):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            file.writestr(entry, text)
        for name in GRADER:
            file.write(ROOT / "teaching" / f"{name}.py", f"{name}.py")


def links(config: dict[str, Any], stems: list[str]) -> str:
    """The student notebooks' addresses in Colab, as a list in Markdown."""
    repository = config["repository"]
    base = repository["url"].replace("https://github.com", "github")
    colab = config["launch_buttons"]["colab_url"]
    folder = STUDENT.relative_to(ROOT).as_posix()
    return "".join(
        f"- [{stem}]({colab}/{base}/blob/{repository['branch']}/{folder}/{stem}.ipynb)\n"
        for stem in stems
    )


def main(arguments: list[str] | None = None) -> None:
    """Build these, or all of them."""
    parser = Parser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a source (default: all)")
    stems = parser.parse_args(arguments).names
    sources = sorted(SOURCES.glob("*.ipynb"))
    known = [source.stem for source in sources]
    for stem in stems:
        if stem not in known:
            parser.error(f"NAME must be one of {', '.join(known)}, got {stem!r}")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    for name in ("bundle", "solutions", "gradescope"):
        (OUT / name).mkdir(parents=True, exist_ok=True)
    STUDENT.mkdir(exist_ok=True)
    stamps = json.loads(STAMPS.read_text(encoding="utf-8")) if STAMPS.exists() else {}
    for source in sources:
        stem = source.stem
        if stems and stem not in stems:
            continue
        with tempfile.TemporaryDirectory() as folder:
            made, solved, bundle = split(source, Path(folder))
            target = STUDENT / source.name
            text = nbformat.writes(student_copy(made), indent=1)
            target.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
            shutil.copy(solved, OUT / "solutions" / source.name)
            (OUT / "solutions" / f"{stem}.html").write_text(solution_page(solved), encoding="utf-8")
            shutil.copy(bundle, OUT / "bundle" / f"{stem}.zip")
        gradescope(stem, OUT / "gradescope" / f"{stem}.zip", config["repository"]["url"])
        stamps[stem] = [stamp(source), stamp(target)]
        print(f"{stem}: student notebook, solutions, bundle, Gradescope zip", flush=True)
    STAMPS.write_text(json.dumps(stamps, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (OUT / "colab.md").write_text(links(config, [s.stem for s in sources]), encoding="utf-8")
    print(f"student notebooks in {STUDENT.relative_to(ROOT)}, all else in {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
