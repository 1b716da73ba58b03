"""``python -m robustlib doctor``: what is installed here, what is missing, and how to get it."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata, util
from pathlib import Path
from typing import Any

import torch

from ..numerics import budget
from . import options as shared

# What each use needs beyond the library itself: modules, programs (any of them), how to get them.
USES: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = [
    ("sweeps on one machine", ("joblib", "cloudpickle"), (), "pip install 'robustlib[sweep]'"),
    (
        "sweeps on a cluster",
        ("distributed", "dask_jobqueue"),
        (),
        "pip install 'robustlib[cluster]'",
    ),
    ("explorers in a notebook", ("ipywidgets",), (), "pip install ipywidgets"),
    ("the book", ("jupyter_book", "sphinx_proof", "mathjax"), ("make",), "make book, in a clone"),
    (
        "tests of the pages",
        ("playwright",),
        ("chromium", "chromium-browser", "google-chrome"),
        "make book, in a clone, and a Chromium or Chrome",
    ),
    ("the formal proofs", (), ("coqc",), "apt-get install coq libcoq-coquelicot"),
]
# The oldest versions that the library is tested with; pyproject.toml asks for these.
NEEDED = {
    "torch": "2.4",
    "numpy": "1.26",
    "scipy": "1.11",
    "matplotlib": "3.9",
    "scikit-learn": "1.4",
    "tqdm": "",
    "lazy-loader": "",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


_EXAMPLE = """\
    python -m robustlib doctor

    robustlib 0.1.0
      in .../robustlib
    Python 3.11.7 on Linux x86_64, 2 cores
    ...
    Device: the CPU; torch sees no GPU
    For sweeps on one machine: ready
    ...
    The library has what it needs.

Status 1 means that the library lacks something; what sweeps, the book or proofs lack is named."""


def add(commands: Any) -> None:
    """The command."""
    run = shared.parser(
        commands,
        "doctor",
        does="versions, device, threads, and what is missing",
        long="What is installed here, what is missing, and how to get it.",
        example=_EXAMPLE,
    )
    run.set_defaults(run=_run, defaults=False, kept=lambda options: "nothing was written")


def _run(options: argparse.Namespace) -> int:
    lacking = [*_lacking()]
    print("\n".join([*_here(), *_uses(), *lacking]))
    if lacking:
        return 1
    print("The library has what it needs.")
    return 0


def _here() -> Iterable[str]:
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield f"robustlib {_version('robustlib') or 'not installed, run from a folder'}"
    yield f"  in {Path(__file__).parents[1]}"
    yield f"Python {platform.python_version()} on {system}"
    versions = (f"{name} {_version(name)}" for name in NEEDED if _version(name))
    yield "  " + ", ".join(versions)
    loaded = _stale()
    if loaded:
        yield "  RESTART this program or kernel: " + "; ".join(loaded)
    yield _device()
    set_to = [f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ]
    yield f"Threads: torch uses {torch.get_num_threads()}; {', '.join(set_to) or 'no variable set'}"
    yield f"Budget: {budget()}"


def _lacking() -> Iterable[str]:
    for name, oldest in NEEDED.items():
        version = _version(name)
        if version is None:
            yield f"MISSING: {name}: pip install {name}"
        elif _numbers(version) < _numbers(oldest):
            yield f"TOO OLD: {name} {version}: pip install '{name}>={oldest}'"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:2]]


def _device() -> str:
    if not torch.cuda.is_available():
        return "Device: the CPU; torch sees no GPU"
    gpu = torch.cuda.get_device_properties(0)
    return f"Device: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"


def _stale() -> list[str]:
    """Packages whose loaded version is not the one installed, as after pip in a running kernel."""
    found = []
    for name in NEEDED:
        loaded = getattr(sys.modules.get(name.replace("-", "_")), "__version__", None)
        if loaded is not None and _version(name) not in (None, loaded):
            found.append(f"{name} {loaded} is loaded, {_version(name)} is installed")
    return found


def _uses() -> Iterable[str]:
    for use, modules, programs, remedy in USES:
        lacking = [m for m in modules if util.find_spec(m) is None]
        if programs and not any(map(shutil.which, programs)):
            lacking.append(" or ".join(programs))
        yield f"For {use}: " + (f"lacks {', '.join(lacking)}: {remedy}" if lacking else "ready")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
