"""``python -m robustlib sweep``: a table of settings in, a table of results out."""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..files import check_path, replace
from ..sweeps import Sweep, sweep
from ..sweeps.slurm import slurm_cluster
from .wrong import WrongCall

_EPILOG = """\
FILE.py names the settings and the function, whose results are numbers, texts or a dict of them:

    import robustlib as rl
    settings = rl.grid(width=[64, 256], seed=range(5))
    def run(width, seed):
        ...
        return {"robust_loss": 0.1}

Stopped anywhere, the same command goes on from the runs that are in the store. A run that raises,
gives NaN or is too slow is a row that says so.
On a cluster: --cluster tcp://host:8786, the address of a Dask scheduler; --cluster slurm submits
one job a worker (--show-script prints its script and submits nothing).

Exit status: 0 if all runs are done, 1 if some failed, 2 for a wrong call, 130 if interrupted.
"""


def add(commands: Any) -> None:
    """The command and its options."""
    run = commands.add_parser(
        "sweep",
        help="run a function for many settings",
        description="A table of settings in, a table of results out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("file", type=Path, metavar="FILE.py", help="has settings and run")
    run.add_argument("--store", type=Path, metavar="FILE", help="keep finished runs in this file")
    run.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    run.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, or slurm")
    run.add_argument("--seconds", type=float, metavar="S", help="the limit of one run")
    run.add_argument("--threads", type=int, default=1, metavar="N", help="of each process")
    run.add_argument("--again", action="store_true", help="run once more what failed")
    run.add_argument("--out", type=Path, metavar="FILE", help="write the table as .csv or .json")
    slurm = run.add_argument_group("with --cluster slurm, each worker asks for")
    slurm.add_argument("--memory", default="8GB", help="memory (default: %(default)s)")
    slurm.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs (default: none)")
    slurm.add_argument("--walltime", default="01:00:00", help="time (default: %(default)s)")
    slurm.add_argument("--partition", metavar="NAME", help="a partition")
    slurm.add_argument("--show-script", action="store_true", help="print the job's script only")
    run.set_defaults(run=run_sweep)


def run_sweep(options: argparse.Namespace) -> int:
    """Run it and print what came."""
    if options.out is not None and options.out.suffix not in (".csv", ".json"):
        raise WrongCall(f"--out must end in .csv or .json, got {options.out}")
    if options.show_script and options.cluster != "slurm":
        raise WrongCall("--show-script needs --cluster slurm")
    try:
        if options.out is not None:
            check_path("--out", options.out)
        module, cluster = _load(options.file), options.cluster
        if cluster == "slurm":
            cluster = slurm_cluster(
                workers=0 if options.show_script else options.workers or 1,
                memory=options.memory,
                gpus=options.gpus,
                walltime=options.walltime,
                partition=options.partition,
                threads=options.threads,
            )
        if options.show_script:
            print(cluster.job_script())
            cluster.close()
            return 0
        table = sweep(
            module.run,
            module.settings,
            store=options.store,
            name=options.file.stem,
            workers=options.workers,
            cluster=cluster,
            seconds=options.seconds,
            threads=options.threads,
            again=options.again,
            progress=sys.stderr.isatty(),
        )
    except (TypeError, ValueError, ImportError, OSError) as error:
        raise WrongCall(str(error)) from None
    except KeyboardInterrupt:
        kept = "nothing is kept without --store"
        if options.store is not None:
            kept = f"finished runs are in {options.store}, and the same command goes on from them"
        print(f"interrupted: {kept}", file=sys.stderr)
        return 130
    print(table)
    for run in table.failed:
        print(f"{json.dumps(run.setting)}: {run.error}", file=sys.stderr)
    if options.out is not None:
        _write(options.out, table)
    return 1 if table.failed else 0


def _load(file: Path) -> ModuleType:
    """The module in the file, checked for what a sweep needs."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if file.suffix != ".py" or not file.is_file() or spec is None or spec.loader is None:
        raise WrongCall(f"FILE.py must be a Python file, got {file}")
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise WrongCall(f"{file} raised {type(error).__name__}: {error}") from None
    for name in ("settings", "run"):
        if not hasattr(module, name):
            raise WrongCall(f"{file} must define {name}")
    return module


def _write(file: Path, table: Sweep) -> None:
    rows, out = table.rows, io.StringIO(newline="")
    if file.suffix == ".json":
        json.dump(rows, out, indent=1)
    else:
        writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    replace(file, [out.getvalue().encode()])
