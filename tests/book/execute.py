"""Run notebooks in place and store their outputs, so that a second run changes no byte.

python tests/book/execute.py [--kernel NAME] chapters/01-robust-loss.ipynb ...

``--as-it-is`` keeps the environment's threads and budget, for runs that mean to change them.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from environment import ENVIRONMENT
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import ValidationError

from robustlib.commands.wrong import Parser
from robustlib.files import check_target, replace

# Without the Python version, so that another machine does not change the file.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
CELL_METADATA = ("mystnb", "tags")
SECONDS_PER_CELL = 300


def run(path: Path, kernel: str) -> nbformat.NotebookNode:
    """The executed notebook, free of everything that differs from run to run."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=SECONDS_PER_CELL,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        coalesce_streams=True,  # how a stream is cut into pieces depends on timing
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        )
    return notebook


def in_a_thread(path: Path, kernel: str) -> nbformat.NotebookNode:
    """The same; in the main thread nbclient takes Ctrl-C for itself, and fails over it."""
    pool = ThreadPoolExecutor(1)
    notebook = pool.submit(run, path, kernel).result()
    pool.shutdown()
    return notebook


def unreadable(path: Path) -> str:
    """Why the file is no notebook; empty where it is one."""
    if not os.path.isfile(path):  # a pipe would wait for a writer
        return "there is no such file"
    try:
        nbformat.validate(nbformat.read(path, as_version=4))
    except (OSError, ValueError, AttributeError, KeyError, TypeError, ValidationError) as error:
        return " ".join(str(error).split())[:200]
    return ""


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--kernel", default="python3")
    parser.add_argument("--as-it-is", action="store_true")
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    options = parser.parse_args(arguments)
    for path in options.notebooks:  # all of them, before the first is run for minutes
        if problem := unreadable(path):
            parser.error(f"NOTEBOOK must be an .ipynb file, got {str(path)!r}: {problem}")
        try:
            check_target("NOTEBOOK", path)
        except ValueError as error:
            parser.error(str(error))
    known = sorted(KernelSpecManager().find_kernel_specs())
    if options.kernel not in known:
        parser.error(f"--kernel must be one of {', '.join(known)}, got {options.kernel!r}")
    if not options.as_it_is:
        os.environ |= ENVIRONMENT
    for path in options.notebooks:
        start = time.monotonic()
        try:
            notebook = in_a_thread(path, options.kernel)
        except KeyboardInterrupt:
            print(f"interrupted; {path} is as it was", file=sys.stderr, flush=True)
            os._exit(130)  # without the thread; the kernel sees it and ends
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{path}: not stored, because a cell failed:\n{error}", file=sys.stderr)
            return 1
        text = nbformat.writes(notebook).rstrip("\n") + "\n"
        replace(path, [text.encode()])  # whole: a kill leaves the old one
        print(f"{path}: {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
