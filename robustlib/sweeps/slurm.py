"""Workers from a Slurm queue, through dask-jobqueue."""

from __future__ import annotations

from typing import Any

from ..checks import check_integer
from .engines import needed


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
    ``ImportError`` where dask-jobqueue is missing, ``ValueError`` for wrong numbers.
    """
    workers = check_integer("workers", workers, minimum=0)
    gpus = check_integer("gpus", gpus, minimum=0)
    threads = check_integer("threads", threads, minimum=1)
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
