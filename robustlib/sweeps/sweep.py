"""The driver of a sweep: asks for what is not finished, keeps what comes."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ..checks import check_flag, check_integer, check_real, check_text
from ..files import check_path
from ..progress import Bar
from .engines import check_cluster, needed, on_cluster, on_this_machine
from .settings import check_settings, key
from .store import Run, Store, Sweep


def sweep(
    function: Callable[..., Any],
    settings: Iterable[Mapping[str, Any]],
    *,
    store: str | os.PathLike[str] | None = None,
    name: str | None = None,
    workers: int | None = None,
    cluster: Any = None,
    seconds: float | None = None,
    threads: int = 1,
    again: bool = False,
    progress: bool = True,
) -> Sweep:
    """Call ``function(**setting)`` for every setting, each in a process apart; a table comes back.

    Settings and results are plain data: numbers, texts, lists and dicts of them; a result that is
    no dict is called ``value``. A run that raises, gives NaN, dies or takes more than ``seconds``
    is a row that says so. ``workers`` processes of joblib (as many as cores by default) do the
    work, or those of the Dask ``cluster``: an address such as "tcp://host:8786", or a cluster
    object, say of dask-jobqueue. Every process has ``threads`` threads.

    ``store`` is an SQLite file that this driver writes, run by run: stopped anywhere and called
    again, finished runs are not repeated, none is lost, none counted twice. Runs are recognised by
    their settings (1 and 1.0 are equal; a setting given twice is one run) and the sweep by
    ``name``, the function's by default: give another name, or another file, when the function
    changes. Failed runs are finished too, unless ``again`` asks for them. ``progress`` shows a
    bar.

    Guaranteed: with one number of threads the numbers do not depend on workers, engine or order.
    Raises ``TypeError`` and ``ValueError`` for wrong settings, a function that cannot be sent, a
    store of something else or a cluster that cannot be reached, ``OSError`` where the store cannot
    be written or all workers are lost: what is finished is then in the store.
    """
    wanted = {key(setting): setting for setting in check_settings(settings)}
    sent = pickled(function)
    title = function_name(function) if name is None else name
    if not (title := check_text("name", title)):
        raise ValueError("name must be a text, got ''")
    if seconds is not None:
        seconds = check_real("seconds", seconds, above=0)
    threads = check_integer("threads", threads, minimum=1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = check_integer("workers", cores if workers is None else workers, minimum=1)
    check_flag("again", again)
    check_flag("progress", progress)
    if cluster is not None:
        check_cluster(cluster)  # before there is a store
    path = None if store is None else check_path("store", store)
    with tempfile.TemporaryDirectory() as folder:
        kept = Store(path or Path(folder, "runs.sqlite"), title)
        try:
            known = kept.finished(failed=not again)
            jobs = [job for job in wanted.items() if job[0] not in known]
            how: dict[str, Any] = {"seconds": seconds, "threads": threads}
            if cluster is None:
                answers = on_this_machine(jobs, sent, workers=workers, **how)
            else:
                answers = on_cluster(jobs, sent, cluster=cluster, **how)
            bar = Bar(
                total=len(wanted),
                initial=len(wanted) - len(jobs),
                disable=not progress,
                file=sys.stderr,
                unit="run",
            )
            # closed at once, also where a traceback holds this frame, as a notebook's does
            with bar, contextlib.closing(answers):
                for name_of, answer in answers if jobs else ():
                    kept.add(name_of, Run(setting=wanted[name_of], **answer))
                    bar.update()
            known = kept.finished(failed=True)
        finally:
            kept.close()
    return Sweep(title, tuple(known[each] for each in wanted))


def function_name(function: object) -> str:
    """What a function is called, for the store."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def pickled(function: object) -> bytes:
    """A function as bytes, with the whole of its module where that is not installed.

    Raises ``TypeError`` for what cannot be called or sent.
    """
    if not callable(function):
        raise TypeError(f"function must be a function, got {type(function).__name__}")
    cloudpickle = needed("cloudpickle", "cloudpickle", "a sweep")
    written: Any = function
    while isinstance(written, functools.partial):
        written = written.func
    module = sys.modules.get(getattr(written, "__module__", None) or "")
    if module is None or module.__name__ == "__main__" or _is_installed(module):
        return _dumped(cloudpickle, function)
    cloudpickle.register_pickle_by_value(module)
    try:
        return _dumped(cloudpickle, function)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _dumped(cloudpickle: Any, function: object) -> bytes:
    try:
        data: bytes = cloudpickle.dumps(function)
    except Exception as error:
        words = " ".join(str(error).split())
        raise TypeError(
            f"function {function_name(function)} cannot be sent to another process ({words}); let "
            "it open or build what it needs itself, from its settings"
        ) from None
    return data


def _is_installed(module: ModuleType) -> bool:
    """Whether a worker will find the module as well."""
    file = getattr(module, "__file__", None)
    if file is None or module.__name__.partition(".")[0] == "robustlib":
        return True
    return any(Path(file).is_relative_to(sysconfig.get_path(p)) for p in ("stdlib", "purelib"))
