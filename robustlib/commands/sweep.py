"""``python -m robustlib sweep``: a table of settings in, a table of results out."""

from __future__ import annotations

import argparse
import csv
import importlib.util
import inspect
import io
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..files import replace
from ..sweeps import Sweep, sweep
from ..sweeps.settings import check_settings
from ..sweeps.slurm import slurm_cluster
from . import options as shared
from .wrong import WrongCall

_EXAMPLE = """\
    python -m robustlib sweep widths.py --store runs.sqlite --out runs.csv

    Sweep 'widths' of 10 settings: 10 done.

widths.py names the settings and the function, whose results are numbers, texts or a dict of them:

    import robustlib as rl
    settings = rl.grid(width=[64, 256], seed=range(5))
    def run(width, seed):
        ...
        return {"robust_loss": 0.1}

Stopped anywhere, the same command goes on from the runs that are in the store. A run that raises,
gives NaN or is too slow is a row that says so.
--device, --budget and --seed are handed to run as settings of these names, where it takes them.
On a cluster: --cluster tcp://host:8786, the address of a Dask scheduler; --cluster slurm submits
one job a worker (--show-script prints its script and submits nothing)."""


def add(commands: Any) -> None:
    """The command and its options."""
    run = shared.parser(
        commands,
        "sweep",
        does="run a function for many settings",
        long="A table of settings in, a table of results out.",
        example=_EXAMPLE,
    )
    run.add_argument("file", type=Path, metavar="FILE.py", help="has settings and run")
    run.add_argument("--store", type=Path, metavar="FILE", help="keep finished runs in this file")
    run.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    run.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, or slurm")
    run.add_argument("--seconds", type=float, metavar="S", help="the limit of one run")
    run.add_argument("--threads", type=int, default=1, metavar="N", help="of each process")
    run.add_argument("--again", action="store_true", help="run once more what failed")
    names = ("--device", "--budget", "--seed", "--out")
    shared.share(run, *names, forms=(".csv", ".json"), defaults=False)
    slurm = run.add_argument_group("with --cluster slurm, each worker asks for")
    slurm.add_argument("--memory", default="8GB", help="memory (default: %(default)s)")
    slurm.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs (default: none)")
    slurm.add_argument("--walltime", default="01:00:00", help="time (default: %(default)s)")
    slurm.add_argument("--partition", metavar="NAME", help="a partition")
    slurm.add_argument("--show-script", action="store_true", help="print the job's script only")
    run.set_defaults(run=run_sweep, kept=_kept)


def _kept(options: argparse.Namespace) -> str:
    words = f"finished runs are in {options.store}, and the same command goes on from them"
    return shared.kept(options.store, "--store", words)


def run_sweep(options: argparse.Namespace) -> int:
    """Run it and print what came."""
    if options.show_script and options.cluster != "slurm":
        raise WrongCall("--show-script needs --cluster slurm")
    module, cluster = _load(options.file), options.cluster
    settings = _with_options(module, options)
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
        settings,
        store=options.store,
        name=options.file.stem,
        workers=options.workers,
        cluster=cluster,
        seconds=options.seconds,
        threads=options.threads,
        again=options.again,
        progress=sys.stderr.isatty(),
    )
    print(table)
    for run in table.failed:
        print(f"{json.dumps(run.setting)}: {run.error}", file=sys.stderr)
    if options.out is not None:
        _write(options.out, table)
    return 1 if table.failed else 0


def _with_options(module: ModuleType, options: argparse.Namespace) -> Any:
    """The settings, each with what ``--device``, ``--budget`` and ``--seed`` add to it."""
    names = ("device", "budget", "seed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if not given:
        return module.settings
    settings = check_settings(module.settings)
    taken = inspect.signature(module.run).parameters
    whole = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    for name in given:
        if name not in taken and not whole:
            got = inspect.signature(module.run)
            raise WrongCall(f"--{name} needs a run that takes {name}, got run{got}")
        if any(name in setting for setting in settings):
            raise WrongCall(f"--{name} must not be given where settings have a {name} already")
    return [{**setting, **given} for setting in settings]


def _load(file: Path) -> ModuleType:
    """The module in the file, checked for what a sweep needs."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if not os.path.isfile(file) or file.suffix != ".py" or spec is None or spec.loader is None:
        raise WrongCall(f"FILE.py must be a Python file, got {file}")
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
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
