"""Workers from a Slurm queue, through dask-jobqueue."""

from __future__ import annotations

import re
import shutil
from typing import Any

from ..checks import check_integer, check_text, shown
from .engines import needed

# What stands in the job's script: a line of its own in there would be run by the shell.
_MEMORY = re.compile(r"[1-9][0-9]{0,5}(\.[0-9]{1,3})? ?[MGT]i?B?")
_WALLTIME = re.compile(r"([0-9]{1,3}-)?[0-9]{1,6}(:[0-9]{1,2}){0,2}")
_PARTITION = re.compile(r"[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*")


def slurm_cluster(
    *,
    workers: int,
    memory: str = "8GB",
    gpus: int = 0,
    walltime: str = "01:00:00",
    partition: str | None = None,
    threads: int = 1,
) -> Any:
    """A cluster for :func:`robustlib.sweep` whose ``workers`` are Slurm jobs of one process each.

    Each asks for ``threads`` cores, ``memory``, ``gpus`` and ``walltime``; ``job_script()`` of the
    result is the script that is submitted. With 0 workers nothing is submitted. Raises
    ``ImportError`` where dask-jobqueue is missing, ``ValueError`` and ``TypeError`` for wrong
    numbers, for texts that Slurm does not read, and where there is no Slurm to submit to.
    """
    workers = check_integer("workers", workers, minimum=0)
    gpus = check_integer("gpus", gpus, minimum=0)
    threads = check_integer("threads", threads, minimum=1)
    _written("memory", memory, _MEMORY, "an amount such as '8GB' or '512MiB'")
    _written("walltime", walltime, _WALLTIME, "a time such as '01:30:00' or '2-12'")
    if partition is not None:
        _written("partition", partition, _PARTITION, "the name of a partition")
    if workers and shutil.which("sbatch") is None:  # dask-jobqueue would wait for ever
        raise ValueError("cluster slurm needs the program sbatch, which is not to be found here")
    jobqueue = needed("dask_jobqueue", "dask-jobqueue", "a sweep on Slurm")
    cluster = jobqueue.SLURMCluster(
        cores=threads,
        processes=1,
        worker_extra_args=["--nthreads", "1"],  # one run at a time, with all its threads
        memory=memory,
        walltime=walltime,
        queue=partition,
        job_extra_directives=[f"--gres=gpu:{gpus}"] if gpus else [],
        scheduler_options={"dashboard_address": ":0"},  # any free port: two sweeps may run here
    )
    if workers:
        cluster.scale(jobs=workers)
    return cluster


def _written(name: str, value: object, pattern: re.Pattern[str], such: str) -> None:
    if not pattern.fullmatch(check_text(name, value)):
        raise ValueError(f"{name} must be {such}, got {shown(value)}")
