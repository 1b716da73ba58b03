"""``python -m robustlib bench``: the library beside its limits and its peers, as one table."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ..files import replace
from . import options as shared
from .contest import Contest, Result, hold
from .page import page_of
from .wrong import WrongCall

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_EXAMPLE = """\
    python -m robustlib bench --only kernels --out bench.json

    ntk, ReLU, depth 3, d = 64, n = 2048: 4.34 of the limit; neural-tangents 11.82 times ours
    ...

Only ratios: they hold on a busy machine too. One thread, CPU time, the sides in turn, the least of
several runs. With --only, what --out holds of other files is kept. make bench installs the peers
into a folder of their own first; one that is not there is a row that says so."""


def add(commands: Any) -> None:
    """The command and its options."""
    run = shared.parser(
        commands,
        "bench",
        does="measure speed beside limits and peers",
        long="Time the library beside the least that the work can cost, and beside its peers.",
        example=_EXAMPLE,
    )
    run.add_argument(
        "--folder",
        type=Path,
        default=Path("benchmarks"),
        help="with the benchmarks (default: %(default)s of a clone)",
    )
    run.add_argument("--only", nargs="+", metavar="NAME", help="these files of it")
    run.add_argument("--page", type=Path, metavar="FILE.md", help="write the book's page to FILE")
    shared.share(run, "--budget", "--out")
    run.set_defaults(run=run_bench, kept=_said)


def _said(options: argparse.Namespace) -> str:
    return shared.kept(options.out, "--out", f"the rows measured so far are in {options.out}")


def run_bench(options: argparse.Namespace) -> int:
    """Hold all contests, print each as it comes, write table and page."""
    shared.check_page(options.page)
    several = [name for name in THREADS if os.environ.get(name) != "1"]
    if several:
        raise WrongCall(f"one thread must be set before Python starts: {'=1 '.join(several)}=1")
    torch.set_num_threads(1)
    groups, failed = _kept(options), []
    for name, contests in _found(options.folder, options.only):
        group = groups[name] = _circumstances(options) | {"rows": []}
        try:
            for contest in contests(options.budget):
                row = hold(contest)
                group["rows"].append(asdict(row))
                print(_line(row), flush=True)
                _write(options, groups)
        except Exception as error:  # the other files go on
            failed.append(name)
            text = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"{name}: {text}", file=sys.stderr)
        _write(options, groups)
    if options.page is not None:
        gpu = options.folder / "gpu.json"
        device = json.loads(gpu.read_text(encoding="utf-8")) if gpu.exists() else None
        replace(options.page, [page_of(groups, device).encode()])
    return 1 if failed else 0


def _write(options: argparse.Namespace, groups: dict[str, Any]) -> None:
    if options.out is not None:
        shared.write_json(options.out, groups)


def _kept(options: argparse.Namespace) -> dict[str, Any]:
    """The groups that ``--only`` leaves out, as ``--out`` has them already."""
    if options.only is None or options.out is None or not options.out.exists():
        return {}
    try:
        held = json.loads(options.out.read_text(encoding="utf-8"))
        return {name: group for name, group in held.items() if "rows" in group}
    except (ValueError, AttributeError, TypeError):
        raise WrongCall(f"--out {options.out} is no table of bench; it is left as is") from None


def _found(
    folder: Path, only: list[str] | None
) -> list[tuple[str, Callable[[str], Iterator[Contest]]]]:
    """The files of the folder that have ``contests``, which take the budget, by name."""
    # not Path.is_dir, which raises for a name that is too long
    files = sorted(folder.glob("*.py")) if os.path.isdir(folder) else []
    if not files:
        raise WrongCall(f"--folder must hold benchmarks, as {folder} of a clone does, got none")
    unknown = set(only or ()) - {file.stem for file in files}
    if unknown:
        raise WrongCall(f"--only must name files of {folder}, got {', '.join(sorted(unknown))}")
    sys.path.insert(0, str(folder.resolve()))  # they share helpers
    found = []
    for file in files:
        if only is None or file.stem in only:
            module = _load(file)
            if hasattr(module, "contests"):
                found.append((file.stem, module.contests))
    return found


def _load(file: Path) -> ModuleType:
    name = f"benchmark_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise WrongCall(f"{file} raised {type(error).__name__}: {error}") from None
    return module


def _line(row: Result) -> str:
    told = [f"{row.ours:.2f} of the limit"] if row.ours is not None else []
    for peer, value in row.peers.items():
        told.append(f"{peer} {value if isinstance(value, str) else f'{value:.2f} times ours'}")
    return f"{row.work}: {'; '.join(told)}"


def _circumstances(options: argparse.Namespace) -> dict[str, Any]:
    peers = options.folder / "peers.py"
    return {
        "date": str(datetime.date.today()),
        "processor": processor(),
        "budget": options.budget,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "peers": _load(peers).versions() if peers.exists() else [],
    }


def processor() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
