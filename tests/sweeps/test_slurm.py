"""Jobs for Slurm: what their script asks for, and texts that would be run by the shell."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from robustlib.sweeps.slurm import slurm_cluster


def script(**options: Any) -> str:
    pytest.importorskip("dask_jobqueue")
    with contextlib.closing(slurm_cluster(workers=0, **options)) as cluster:
        return str(cluster.job_script())


def test_the_script_asks_for_what_was_asked_for() -> None:
    usual = script()
    for line in ("--cpus-per-task=1", "--mem=8G", "-t 01:00:00", "-n 1"):
        assert f"#SBATCH {line}\n" in usual
    assert "gres" not in usual
    assert "#SBATCH -p" not in usual
    other = script(memory="512MiB", gpus=2, walltime="2-12", partition="gpu,long", threads=3)
    for line in ("--cpus-per-task=3", "--mem=512M", "-t 2-12", "--gres=gpu:2", "-p gpu,long"):
        assert f"#SBATCH {line}\n" in other
    assert "--nthreads 1" in other  # one run at a time, with all three threads


def test_a_machine_without_slurm_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="cluster slurm needs the program sbatch"):
        slurm_cluster(workers=1)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"workers": -1}, ValueError, "workers must be at least 0, got -1"),
        ({"gpus": -1}, ValueError, "gpus must be at least 0, got -1"),
        ({"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        ({"memory": "8"}, ValueError, "memory must be an amount such as '8GB'.*, got '8'"),
        ({"memory": "8GB\nrm -r x"}, ValueError, "memory must be an amount"),
        ({"walltime": "1 h"}, ValueError, "walltime must be a time such as '01:30:00'"),
        ({"partition": "a; b"}, ValueError, "partition must be the name of a partition"),
        ({"memory": 8}, TypeError, "memory must be a string, got int"),
    ],
)
def test_what_slurm_does_not_read(options: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        slurm_cluster(**({"workers": 0} | options))
