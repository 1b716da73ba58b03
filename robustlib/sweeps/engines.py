"""Runs handed to joblib's processes on this machine, or to the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
import signal
import uuid
import warnings
from collections.abc import Generator
from multiprocessing import resource_tracker
from typing import Any

from ..checks import shown
from .isolated import die_with_parent, release, run_alone
from .settings import Setting

Job = tuple[str, Setting]  # a key and its setting
Answer = tuple[str, dict[str, Any]]
WAIT = "10s"  # for a cluster to answer
_ADDRESS = re.compile(r"((tcp|tls|wss?|ucx)://)?[^/\s]+:\d{1,5}/?|inproc://\S+")
_FRUITLESS = 5  # times that all workers may be lost without a single new result


class EngineError(OSError):
    """The workers are lost, in one sentence."""


def needed(module: str, package: str, what: str) -> Any:
    """An optional library. Raises ``ImportError`` that says what it is for and how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(
            f"{what} needs {package}, which is not installed: pip install {package}"
        ) from None


def check_cluster(cluster: object) -> None:
    """Raise for what is neither a cluster of Dask nor an address.

    Dask is not asked: a client that it refused to make hangs when it is thrown away.
    """
    if isinstance(cluster, str):
        fits = _ADDRESS.fullmatch(cluster) is not None
    else:
        fits = hasattr(cluster, "scheduler_address") and not isinstance(cluster, type)
    if not fits:
        raise ValueError(
            f"cluster {shown(cluster)} cannot be reached: it is no cluster of Dask, and no address "
            "such as 'tcp://host:8786'"
        )


def on_this_machine(
    jobs: list[Job], function: bytes, *, workers: int, seconds: float | None, threads: int
) -> Generator[Answer, None, None]:
    """Answers as they come, from ``workers`` processes; those of workers that died once more."""
    joblib = needed("joblib", "joblib", "a sweep on this machine")
    lost = importlib.import_module("joblib.externals.loky.process_executor").BrokenProcessPool
    waiting, fruitless = dict(jobs), 0
    try:
        while waiting:
            before = len(waiting)
            parallel = joblib.Parallel(
                n_jobs=workers,
                return_as="generator_unordered",
                batch_size=1,
                pre_dispatch=2 * workers,
            )
            call = joblib.delayed(_on_worker)
            calls = [call(job, function, seconds, threads, os.getpid()) for job in waiting.items()]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that a worker stopped: seen below
                    coming = _dispatched(parallel, calls) if workers > 1 else parallel(calls)
                    with contextlib.closing(coming) as answers:
                        for key, answer in answers:
                            del waiting[key]
                            yield key, answer
            except lost as error:
                fruitless = fruitless + 1 if len(waiting) == before else 0
                if fruitless == _FRUITLESS:
                    raise EngineError(f"workers die before they answer: {error}") from None
    finally:
        release()  # of one worker, which is this process


def _dispatched(parallel: Any, calls: list[Any]) -> Any:
    """The answers of workers that Ctrl-C does not reach: what they inherit is a mask.

    A worker that it met between two runs, or before the first, would say so in many lines.
    """
    resource_tracker.ensure_running()  # now: who starts it takes the mask off (Python 3.11 to 3.13)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return parallel(calls)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_worker(
    job: Job, function: bytes, seconds: float | None, threads: int, driver: int
) -> Answer:
    if os.getpid() != driver:  # one worker is the driver itself
        die_with_parent()
    key, setting = job
    return key, run_alone(function, setting, seconds, threads)


def on_cluster(
    jobs: list[Job], function: bytes, *, cluster: Any, seconds: float | None, threads: int
) -> Generator[Answer, None, None]:
    """Answers as they come from a Dask cluster, its address or itself."""
    distributed = needed("distributed", "distributed", "a sweep on a cluster")
    check_cluster(cluster)
    try:
        client = distributed.Client(cluster, timeout=WAIT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"cluster {cluster!r} cannot be reached: {words}") from None
    with client:
        waiting, fruitless, attempt = dict(jobs), 0, itertools.count()
        # Dask takes tasks of one name for one task: those of another driver have another
        ours = uuid.uuid4().hex
        todo, running = iter(jobs), distributed.as_completed(loop=client.loop)
        keys: dict[Any, str] = {}

        def submit(job: Job) -> None:
            name = f"robustlib-{ours}-{job[0]}-{next(attempt)}"
            future = client.submit(
                run_alone, function, job[1], seconds, threads, key=name, pure=False
            )
            keys[future] = job[0]
            running.add(future)

        room = 2 * max(1, sum(client.nthreads().values()))
        for job in itertools.islice(todo, room):
            submit(job)
        for future in running:
            key = keys.pop(future)
            if future.status == "finished":
                fruitless = 0
                yield key, future.result()
                del waiting[key]
            else:
                fruitless += 1
                if fruitless > _FRUITLESS * room:
                    raise EngineError(f"the cluster loses its workers: {future.exception()}")
                submit((key, waiting[key]))
            for job in itertools.islice(todo, 1 if future.status == "finished" else 0):
                submit(job)
